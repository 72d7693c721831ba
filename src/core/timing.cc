#include "core/timing.h"

#include <algorithm>

namespace aurum::core {

Duration valid_for(Duration ttl) {
  // 1 % for clocks that run at different rates, and a margin for the guard to have killed the last
  // process.
  const Duration margin = std::clamp<Duration>(ttl / 20, milliseconds(250), seconds(1));
  return std::max<Duration>(ttl - ttl / 100 - margin, Duration{0});
}

namespace {

std::optional<BeatRate> beat_of(std::string_view profile) {
  if (profile == "fast") return BeatRate{milliseconds(250), milliseconds(1000), milliseconds(1250)};
  if (profile == "default")
    return BeatRate{milliseconds(500), milliseconds(2500), milliseconds(3000)};
  return std::nullopt;
}

}  // namespace

Timing make_timing(const model::DynamicConfig& config, std::string_view profile) {
  Timing t;
  t.ttl = seconds(config.ttl_s);
  t.loop_wait = seconds(config.loop_wait_s);
  t.valid_for = valid_for(t.ttl);
  t.renew_interval = std::clamp<Duration>(t.ttl / 8, milliseconds(250), seconds(5));
  t.proof_max_age = std::clamp<Duration>(t.ttl / 3, milliseconds(700), seconds(5));
  t.beat = beat_of(profile);
  if (t.beat && t.beat->fence >= t.valid_for) t.beat.reset();
  if (t.beat)
    t.proof_max_age = std::clamp<Duration>(t.beat->fence, milliseconds(700), t.proof_max_age);
  t.hang_limit = 2 * t.proof_max_age;
  t.stop_lead = std::clamp<Duration>(t.ttl / 5, milliseconds(500), seconds(5));
  t.peer_timeout = seconds(2);
  t.former_leader_patience = milliseconds(200);
  return t;
}

}  // namespace aurum::core
