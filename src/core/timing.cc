#include "core/timing.h"

#include <algorithm>

namespace aurum::core {

Timing make_timing(const model::DynamicConfig& config) {
  Timing t;
  t.ttl = seconds(config.ttl_s);
  t.loop_wait = seconds(config.loop_wait_s);
  // 1 % for clocks that run at different rates, and a margin for the guard to have killed the last
  // process.
  const Duration margin = std::clamp<Duration>(t.ttl / 20, milliseconds(250), seconds(1));
  t.valid_for = t.ttl - t.ttl / 100 - margin;
  t.renew_interval = std::clamp<Duration>(t.ttl / 8, milliseconds(250), seconds(5));
  t.proof_max_age = std::clamp<Duration>(t.ttl / 3, milliseconds(700), seconds(5));
  t.hang_limit = 2 * t.proof_max_age;
  t.stop_lead = std::clamp<Duration>(t.ttl / 5, milliseconds(500), seconds(5));
  t.peer_timeout = seconds(2);
  t.former_leader_patience = milliseconds(200);
  return t;
}

}  // namespace aurum::core
