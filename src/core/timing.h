#pragma once

#include "base/time.h"
#include "model/config.h"

namespace aurum::core {

/// Every span the core measures with, derived from ttl and loop_wait in one place.
///
/// What must stay true (lease rules of DESIGN §4; timing_test.cc checks it for every ttl from 2 s
/// to 300 s):
///   renew_interval + 2 round trips < valid_for < ttl·(1−drift)
///   the guard's kill at the deadline is over before the store lets the lease go: valid_for +
///   margin <= ttl·(1−drift)
struct Timing {
  Duration ttl{};
  Duration loop_wait{};
  Duration valid_for{};       ///< deadline = sent_at of the renewal + valid_for
  Duration renew_interval{};  ///< of the lease thread while leading
  Duration proof_max_age{};  ///< PostgreSQL must have proved itself alive within this to be renewed
  Duration hang_limit{};     ///< a server that answers nothing for so long is killed
  Duration stop_lead{};  ///< how long before the deadline a leader without renewals begins to stop
  Duration peer_timeout{};            ///< waiting for peers in a race (§8.1: 2 s)
  Duration former_leader_patience{};  ///< waiting for a silent former leader that has a guard
};
Timing make_timing(const model::DynamicConfig& config);

}  // namespace aurum::core
