#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "backup/cluster_lock.h"
#include "backup/pgbackrest.h"

/// A run of pgBackRest under the cluster's lock, by an agent or by `aurum backup now`.
namespace aurum::backup {

struct LockedRun {
  RunKind kind = RunKind::incr;
  std::string node;              ///< who works
  std::string program;           ///< ourselves, for `backup-run`
  std::filesystem::path folder;  ///< for the deadline's file; best on a tmpfs
  Duration ttl = seconds(30);    ///< of the lock
  /// Makes it due again or not, with the repository's newest backups in the state; unset = always.
  std::function<bool(const ClusterBackups&)> still_due = {};
  OnProgress on_progress = {};
  /// Told once the lock is ours, and nothing was begun yet.
  std::function<void()> on_begin = {};
};

/// Takes the lock (Code::exists when it is not free), works, writes the outcome into the state and
/// gives the lock away. `config` and `store` outlive it. Cancelled, it ends pgBackRest and still
/// gives the lock away.
///
/// Error: nothing was done. Else how it ended; `run.interrupted` when the lock was lost.
Task<Result<Run>> run_locked(dcs::Store& store, const model::LocalConfig& config,
                             ClusterBackups seen, LockedRun what);

/// The newest good backups of the repository become the state's, where they are newer.
void adopt_catalogue(ClusterBackups& state, const Catalogue& catalogue);

}  // namespace aurum::backup
