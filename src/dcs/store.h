#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/cluster.h"
#include "model/txn.h"
#include "runtime/async.h"

namespace aurum::dcs {

using runtime::Task;

struct Keys {
  model::Revision revision = 0;
  std::vector<model::KeyValue> keys;  ///< relative to the base path
};

struct LeaseInfo {
  model::LeaseId id = 0;
  Duration ttl{};  ///< as granted: the store may give more than asked
};

/// One change seen by a watch; a deleted key has mod_revision of its deletion and `deleted`.
struct Change {
  model::KeyValue kv;
  bool deleted = false;
};
struct WatchBatch {
  /// That of the last change handed over so far, never beyond it: some servers report a progress
  /// ahead of changes that are still on their way (etcd before 3.4.25 and 3.5.8). A watch from
  /// revision + 1 misses nothing.
  model::Revision revision = 0;
  std::vector<Change> changes;  ///< may be empty: a progress report
};

/// The distributed store, seen from one cluster's base path. One instance belongs to one io_context
/// and thread.
///
/// Error codes of every call (dcs/store_contract_test.cc holds each implementation to them):
///  - rejected         the store answered and said no: lease not found (keep_alive, put with a
///  lease)
///  - unavailable      nothing was changed: no endpoint reachable, no leader, request not sent
///  - unknown_outcome  a write was sent and its answer did not come in time
///  - timeout          a read was sent and its answer did not come in time
///  - permission       credentials refused
///  - invalid          the store can not take such a request (too large, a key written twice);
///  nothing was changed
///  - protocol         the answer makes no sense
///  - cancelled        close() came
/// Every call ends within its timeout, whatever the network does; within it, other endpoints are
/// tried where that is safe (reads always; writes only as long as they were not sent).
class Store {
 public:
  virtual ~Store() = default;

  /// All keys below the base path, linearizable.
  virtual Task<Result<Keys>> read(Duration timeout) = 0;
  /// Linearizable, also when it only compares. A compare that fails is not an error:
  /// TxnDone.succeeded is false.
  virtual Task<Result<model::TxnDone>> txn(model::Txn txn, Duration timeout) = 0;
  virtual Task<Result<LeaseInfo>> grant(Duration ttl, Duration timeout) = 0;
  /// The remaining time to live; Code::rejected if the lease is gone (an answer of 0 means the
  /// same).
  virtual Task<Result<Duration>> keep_alive(model::LeaseId lease, Duration timeout) = 0;
  virtual Task<Status> revoke(model::LeaseId lease, Duration timeout) = 0;
  /// Watches the base path from revision `from` on; `on_batch` runs on the executor of the store.
  /// Ends, always with an error, when the watch can not go on (connection lost, cancelled by the
  /// server, compacted): read again and watch anew. A watch that hears nothing for `silence` asks
  /// for progress, and ends when no answer comes.
  virtual Task<Error> watch(model::Revision from, Duration silence,
                            std::function<void(const WatchBatch&)> on_batch) = 0;
  /// "3.5.16"; for the warning about old servers.
  virtual Task<Result<std::string>> server_version(Duration timeout) = 0;
  /// Ends all that is under way; calls end with Code::cancelled.
  virtual void close() = 0;
};

}  // namespace aurum::dcs
