#pragma once

#include <functional>

#include "backup/cluster_backups.h"
#include "backup/lease_lock.h"

namespace aurum::backup {

/// The cluster's one permission to work on the repository: key kLockKey.
///
/// What must stay true: whoever holds it may work until deadline() only; `aurum backup-run` ends
/// pgBackRest then even if this process is frozen. So there is one pgBackRest at work, also across
/// a cut network (cluster_lock_system_test.cc).
class ClusterLock {
 public:
  /// `seen`: the state that the decision was made on. Code::exists when somebody holds the lock or
  /// the state has changed since.
  static Task<Result<ClusterLock>> take(dcs::Store& store, LockHolder holder, ClusterBackups seen,
                                        Duration ttl);

  const ClusterBackups& state() const { return state_; }
  ClusterBackups& state() { return state_; }
  Instant deadline() const { return lock_.deadline(); }

  /// Keeps the lease, tells `moved` each new deadline, and publishes `percent()` now and then; ends
  /// only when the lock is lost, or with cancellation.
  Task<Error> keep(std::function<void(Instant)> moved, std::function<double()> percent);
  /// Writes the state, with the run's end in it if there was one, and gives the lock away.
  /// Code::rejected when the lock was lost before: then nothing was written.
  /// `stopped`: the run had to give way, and did not fail.
  Task<Status> finish(std::optional<Run> run, bool stopped = false);

 private:
  ClusterLock(LeaseLock lock, LockHolder holder, ClusterBackups state)
      : lock_(std::move(lock)), holder_(std::move(holder)), state_(std::move(state)) {}

  LeaseLock lock_;
  LockHolder holder_;
  ClusterBackups state_;
};

}  // namespace aurum::backup
