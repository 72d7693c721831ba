#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "backup/pgbackrest.h"
#include "backup/scratch_sweep.h"
#include "model/config.h"
#include "model/postgres.h"
#include "model/restore.h"
#include "pg/session.h"

namespace aurum::backup {

/// What becomes of the copy: it is removed, or kept as a cluster of its own, or in the place of the
/// one it was copied from, which is lost.
enum class CopyUse { test, new_cluster, same_cluster };

/// A copy of the cluster in a folder of its own, restored from a backup, for a restore test or as
/// the beginning of a cluster. Its server listens on a socket in a folder of ours only, follows
/// nobody and archives nothing; what it writes is only marked for the archive where it is the same
/// cluster. `config` outlives this object; its pgbackrest.conf is there.
///
/// Use: begin(), fetch(), recover(), then query() and stop(). Whoever destroys it must have stopped
/// it; begin() ends what was left by somebody who could not.
class ScratchCluster {
 public:
  /// `program`: aurum; "" = ourselves.
  ScratchCluster(const model::LocalConfig& config, std::filesystem::path dir, CopyUse use,
                 std::string program = {});

  /// Makes the folder ours, and ends what was left behind in it. Code::exists when files of anybody
  /// else are in it, or somebody works there.
  Task<Status> begin();
  Task<Status> fetch(std::string label, Percent percent);
  /// Starts it and waits until the target was reached and the copy is open.
  Task<Status> recover(model::RecoveryTarget target, model::Timeline timeline);
  Task<Result<pg::Rows>> query(std::string database, std::string sql, Duration timeout);
  Task<Status> start();
  Task<Status> stop();
  /// A program of its PostgreSQL; gives what it printed, also when it failed. Code::not_found.
  Task<Result<runtime::ProcessEnd>> tool(std::string name, std::vector<std::string> arguments,
                                         Duration timeout);
  Task<Result<model::ControlData>> control();
  const std::filesystem::path& dir() const { return dir_; }
  std::string socket_dir() const { return scratch_socket_dir(dir_); }
  /// Removes everything.
  void remove();
  /// Takes out what only the scratch server needed.
  void leave_for_agent();

 private:
  Task<Status> write_conf(std::string recovery);
  std::string last_words() const;
  void release(bool done);

  const model::LocalConfig& config_;
  std::filesystem::path dir_;
  CopyUse use_;
  std::string program_;
  std::optional<ScratchHold> hold_;
};

}  // namespace aurum::backup
