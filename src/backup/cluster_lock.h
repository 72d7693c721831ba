#pragma once

#include <functional>

#include "backup/cluster_backups.h"
#include "backup/run_deadline.h"
#include "dcs/store.h"
#include "runtime/async.h"

namespace aurum::backup {

using runtime::Task;

/// The cluster's one permission to work on the repository: key kLockKey on a lease of its own.
///
/// What must stay true: whoever holds it may work until deadline() only, which lies before the end
/// of the lease as etcd counts it (the lease is kept from a moment not before `sent`, as for the
/// leader's lock, DESIGN §4); `aurum backup-run` ends pgBackRest then even if this process is
/// frozen. So there is one pgBackRest at work, also across a cut network
/// (cluster_lock_system_test.cc).
class ClusterLock {
 public:
  /// `seen`: the state that the decision was made on. Code::exists when somebody holds the lock or
  /// the state has changed since.
  static Task<Result<ClusterLock>> take(dcs::Store& store, LockHolder holder, ClusterBackups seen,
                                        Duration ttl);

  const ClusterBackups& state() const { return state_; }
  ClusterBackups& state() { return state_; }
  Instant deadline() const { return deadline_; }

  /// Keeps the lease, tells `moved` each new deadline, and publishes `percent()` now and then; ends
  /// only when the lock is lost, or with cancellation.
  Task<Error> keep(std::function<void(Instant)> moved, std::function<double()> percent);
  /// Writes the state, with the run's end in it if there was one, and gives the lock away.
  /// Code::rejected when the lock was lost before: then nothing was written.
  Task<Status> finish(std::optional<Run> run);

 private:
  ClusterLock(dcs::Store& store, LockHolder holder, ClusterBackups state, Duration ttl)
      : store_(&store), holder_(std::move(holder)), state_(std::move(state)), ttl_(ttl) {}
  void kept_from(Instant sent) { deadline_ = sent + ttl_ * 4 / 5; }

  dcs::Store* store_;
  LockHolder holder_;
  ClusterBackups state_;
  Duration ttl_;
  model::LeaseId lease_ = 0;
  Instant deadline_;
};

}  // namespace aurum::backup
