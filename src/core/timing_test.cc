#include "core/timing.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

TEST(Timing, holds_its_inequalities_for_every_ttl_from_2_to_300_seconds) {
  for (std::int64_t ttl = 2; ttl <= 300; ++ttl) {
    model::DynamicConfig config;
    config.ttl_s = ttl;
    const Timing t = make_timing(config, "");
    const Duration drifted = t.ttl - t.ttl / 100;
    EXPECT_LE(t.valid_for + milliseconds(250), drifted) << ttl << ": no time to kill";
    EXPECT_LT(t.renew_interval + 2 * milliseconds(100), t.valid_for) << ttl;
    EXPECT_GE(t.valid_for / t.renew_interval, 4) << ttl << ": several tries before the deadline";
    EXPECT_LT(t.stop_lead, t.valid_for - 2 * t.renew_interval)
        << ttl << ": one lost renewal must not stop the server";
    EXPECT_LE(t.proof_max_age + t.valid_for, 2 * t.ttl) << ttl;
    EXPECT_GT(t.hang_limit, t.proof_max_age) << ttl;
    EXPECT_EQ(t.valid_for, valid_for(t.ttl)) << ttl;
  }
}

TEST(Timing, heartbeats_hold_their_inequalities_and_win_time) {
  for (const auto* profile : {"fast", "default"}) {
    for (std::int64_t ttl = 2; ttl <= 300; ++ttl) {
      model::DynamicConfig config;
      config.ttl_s = ttl;
      const Timing t = make_timing(config, profile);
      if (!t.beat) {
        EXPECT_LE(ttl, 3) << profile << ": the lease alone is as quick";
        continue;
      }
      // Two clocks that differ by 1 % each, and the guard's kill.
      EXPECT_GE(t.beat->takeover, t.beat->fence + t.beat->fence / 50 + milliseconds(200)) << ttl;
      EXPECT_LT(t.beat->fence, t.valid_for) << ttl;
      EXPECT_GE(t.beat->fence / t.beat->interval, 4) << ttl << ": several tries";
      EXPECT_LE(t.proof_max_age, std::max<Duration>(t.beat->fence, milliseconds(700))) << ttl;
      EXPECT_LE(t.beat->takeover, t.ttl) << ttl;
    }
  }
  for (const auto* profile : {"", "patroni"})
    EXPECT_FALSE(make_timing(model::DynamicConfig{}, profile).beat) << profile;
}

TEST(Timing, a_lease_too_short_to_be_safe_allows_nothing) {
  EXPECT_EQ(valid_for(Duration{0}), Duration{0});
  EXPECT_EQ(valid_for(milliseconds(200)), Duration{0});
}

}  // namespace
}  // namespace aurum::core
