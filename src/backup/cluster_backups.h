#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/trial_state.h"
#include "model/cluster.h"

/// What the members of a cluster tell each other of its backups: keys below the cluster's prefix in
/// the store, which a Patroni ignores. Pure.
namespace aurum::backup {

/// What pgBackRest is asked to do by itself. Stronger first, where one makes another needless. The
/// restore test has a lock and a state of its own (trial_keeper.h).
enum class RunKind { stanza, full, diff, incr, verify, restore_test };
std::string_view to_string(RunKind kind);
std::optional<RunKind> parse_run_kind(std::string_view text);
inline bool is_backup(RunKind kind) {
  return kind == RunKind::full || kind == RunKind::diff || kind == RunKind::incr;
}

/// One run; times in seconds since 1970.
struct Run {
  RunKind kind = RunKind::incr;
  std::string node;
  std::int64_t started = 0, ended = 0;
  std::string label;         ///< of the backup it made
  std::int64_t added = 0;    ///< bytes in the repository
  std::string error;         ///< "" = it went well
  bool interrupted = false;  ///< nobody knows how it ended: its node or agent was lost
  bool ok() const { return error.empty(); }
  friend bool operator==(const Run&, const Run&) = default;
};

/// Key `aurum_backup/state`; outlives all nodes. Written only together with taking or holding the
/// lock, so there is one writer at any time.
struct ClusterBackups {
  /// Whose backups the stanza has: a repository without them is not mounted, or lost.
  std::string system_identifier, version;
  std::optional<Run> running;
  std::map<RunKind, Run> good;   ///< the newest that went well
  std::vector<Run> recent;       ///< oldest first, at most kRecentRuns
  int failures = 0;              ///< in a row
  model::Revision revision = 0;  ///< of the key; 0 = there is none

  void add(Run run);
  /// One that had to give way, to a restore of the cluster or another leader: no failure.
  void add_stopped(Run run);
  friend bool operator==(const ClusterBackups&, const ClusterBackups&) = default;
};
inline constexpr std::size_t kRecentRuns = 20;

/// Key `aurum_backup/lock`, on a lease: who works on the repository; and kTrialLockKey: who tests.
struct LockHolder {
  std::string node;
  RunKind kind = RunKind::incr;
  std::int64_t started = 0;
  double percent = -1;  ///< negative: unknown
  std::string doing;    ///< of a restore test, for people
  friend bool operator==(const LockHolder&, const LockHolder&) = default;
};

/// Key `aurum_backup/nodes/<name>`: how pgBackRest on another node reaches this PostgreSQL.
struct BackupNode {
  std::string host;  ///< as its certificate says; "" = it has no TLS, and only itself can be source
  int tls_port = 0;
  std::string data_dir, socket_dir, user;
  int port = 5432;
  friend bool operator==(const BackupNode&, const BackupNode&) = default;
};

inline constexpr std::string_view kStateKey = "aurum_backup/state";
inline constexpr std::string_view kLockKey = "aurum_backup/lock";
inline constexpr std::string_view kRestoreKey = "aurum_restore";
inline constexpr std::string_view kNodesKey = "aurum_backup/nodes/";

std::string encode(const ClusterBackups& state);
std::string encode(const LockHolder& holder);
std::string encode(const BackupNode& node);
// What does not fit reads as nothing.
ClusterBackups decode_cluster_backups(std::string_view text);
std::optional<LockHolder> decode_lock_holder(std::string_view text);
std::optional<BackupNode> decode_backup_node(std::string_view text);

model::Value to_value(const Run& run);

/// All of them at one revision of the store.
struct BackupKeys {
  ClusterBackups state;
  std::optional<LockHolder> lock;
  std::map<std::string, BackupNode> nodes;
  /// The cluster is being restored: no backup of it now. Once it serves clients again, also while
  /// the operator has not confirmed, there are backups of it.
  bool restoring = false;
  TrialState trials;
  std::optional<LockHolder> trial_lock;
};
/// Picks them out of the cluster's keys.
BackupKeys decode_backup_keys(const std::vector<model::KeyValue>& keys);

}  // namespace aurum::backup
