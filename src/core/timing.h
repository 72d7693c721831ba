#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"
#include "model/config.h"

namespace aurum::core {

/// How often a leader tells the store that it is there (DESIGN §4 "Heartbeat"; heartbeat.cc).
struct BeatRate {
  Duration interval{};
  Duration fence{};     ///< it writes no longer than this after it sent one
  Duration takeover{};  ///< others take the lock after so long without one
  friend bool operator==(const BeatRate&, const BeatRate&) = default;
};

/// Every span the core measures with, derived from ttl and loop_wait in one place.
///
/// What must stay true (lease rules of DESIGN §4; timing_test.cc checks it for every ttl from 2 s
/// to 300 s):
///   renew_interval + 2 round trips < valid_for < ttl·(1−drift)
///   the guard's kill at the deadline is over before the store lets the lease go: valid_for +
///   margin <= ttl·(1−drift)
///   fence and a bit for clocks that differ < takeover, and fence < valid_for: else beats win
///   nothing
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
  std::optional<BeatRate> beat;       ///< of the profile; none: the lease alone tells
};
/// `profile`: aurum.profile, "fast", "default", or one without heartbeats.
Timing make_timing(const model::DynamicConfig& config, std::string_view profile);

/// How long a renewal of a lease of this length allows writing.
Duration valid_for(Duration ttl);

}  // namespace aurum::core
