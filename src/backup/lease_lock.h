#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "dcs/store.h"
#include "runtime/async.h"

namespace aurum::backup {

using runtime::Task;

/// A lock's lease is no shorter: long enough for an etcd that is slow, and not long to wait for a
/// dead node.
inline constexpr Duration kLeastLockTtl = seconds(5);
/// What became of work whose lock is free, and which nobody has told the end of.
inline constexpr const char* kHolderLost = "its agent or node was lost, or cut off from etcd";

/// A key of the store on a lease of its own: whoever holds it may work until deadline() only, which
/// lies before the end of the lease as etcd counts it (kept from a moment not before `sent`, as for
/// the leader's lock, DESIGN §4). So who comes next finds nobody at work any more, also across a
/// cut network (cluster_lock_system_test.cc).
class LeaseLock {
 public:
  struct Wanted {
    std::string key;
    std::string value;  ///< who works, for people
    std::string what;   ///< "the backup lock", for messages
    Duration ttl = seconds(30);
    model::Txn with;  ///< must hold, and is written, together with taking it
  };
  /// Code::exists when somebody holds it, or `with` does not hold.
  static Task<Result<LeaseLock>> take(dcs::Store& store, Wanted wanted);

  Instant deadline() const { return deadline_; }

  /// Keeps the lease, tells `moved` each new deadline, and publishes `value()` now and then when it
  /// has changed; ends only when the lock is lost, or with cancellation.
  Task<Error> keep(std::function<void(Instant)> moved, std::function<std::string()> value);
  /// Writes, and gives the lock away. Code::rejected when it was lost before: nothing was written.
  Task<Status> finish(std::vector<model::Write> writes);

 private:
  LeaseLock(dcs::Store& store, Wanted wanted) : store_(&store), wanted_(std::move(wanted)) {}
  void kept_from(Instant sent) { deadline_ = sent + wanted_.ttl * 4 / 5; }
  Task<void> publish(std::string value);

  dcs::Store* store_;
  Wanted wanted_;
  model::LeaseId lease_ = 0;
  Instant deadline_;
};

}  // namespace aurum::backup
