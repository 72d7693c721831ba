// What must stay true: the page's deadline never lies behind what an answered keepalive and, with
// heartbeats, an answered heartbeat warrant, both counted from when they were sent
// (heartbeat_scenario_test: they_allow_no_more_than_the_lease_does; lease_keeper_test).

#include "core/renewal.h"

#include <algorithm>

namespace aurum::core {

using model::Compare;

/// A keepalive that says "fine" is not enough: some etcd versions say so for a revoked lease (F5),
/// and the key may have been taken over. One linearizable transaction compares both.
RenewalCheck renewal_check(const LockHeld& lock, Instant lease_kept, Instant sent) {
  RenewalCheck check;
  check.until = lease_kept + lock.valid_for;
  model::Txn& txn = check.txn;
  txn.when.push_back({.key = "leader", .what = Compare::What::value, .text = lock.member});
  txn.when.push_back({.key = "leader", .what = Compare::What::lease, .number = lock.lease});
  if (!lock.beat) return check;
  check.until = std::min(check.until, sent + lock.beat->fence);
  txn.when.push_back(model::unchanged("leader", static_cast<model::Revision>(lock.epoch)));
  txn.then.push_back(
      {.key = std::string(model::kHeartbeatKey),
       .value = model::encode_heartbeat({lock.member, lock.beat->fence, lock.beat->takeover})});
  return check;
}

}  // namespace aurum::core
