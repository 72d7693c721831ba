#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/cluster.h"
#include "model/txn.h"

namespace aurum::sim {

/// A linearizable store with leases, as etcd v3 has it: revisions, compare-and-write transactions,
/// keys that go with their lease. Time is handed in; who can reach it is World's business.
class Store {
 public:
  model::TxnDone txn(const model::Txn& txn);
  model::LeaseId grant(Duration ttl, Instant now);
  bool keep_alive(model::LeaseId lease, Instant now);  ///< false: there is no such lease
  void revoke(model::LeaseId lease);
  void expire(Instant now);  ///< drops leases that ended, and their keys
  /// Without a leader of its own it answers nothing and lets no lease go; a new one gives every
  /// lease its whole time again.
  void lose_leader() { leaderless_ = true; }
  void elect_leader(Instant now);
  bool leaderless() const { return leaderless_; }

  const model::ClusterView& view() const;
  model::Revision revision() const { return revision_; }
  const model::KeyValue* find(const std::string& key) const;
  /// As an operator writes, without condition.
  void put(const std::string& key, const std::string& value);
  void put_off(const std::string& key);  ///< likewise: erases it

 private:
  struct Lease {
    Duration ttl{};
    Instant ends;
  };
  bool holds(const model::Compare& compare) const;
  void apply(const model::Write& write);

  model::Revision revision_ = 1;
  std::map<std::string, model::KeyValue> keys_;
  std::map<model::LeaseId, Lease> leases_;
  model::LeaseId next_lease_ = 1000;
  bool leaderless_ = false;
  Instant next_end_ = kNever;        ///< no lease ends before
  mutable model::ClusterView view_;  ///< as of its revision; brought up to date when asked for
  mutable std::set<std::string> changed_;  ///< keys, since then
};

}  // namespace aurum::sim
