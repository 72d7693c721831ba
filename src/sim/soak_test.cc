// Random faults, many seeds: whatever happened, no rule is broken, and when the faults stop the
// cluster is healthy again (F50). A failing seed is printed; AURUM_SOAK_SEED runs it alone.

#include <cstdlib>

#include <gtest/gtest.h>

#include "sim/run.h"

namespace aurum::sim {
namespace {

RunResult run_seed(std::uint64_t seed, const char* profile) {
  return run(
      {.seed = seed, .profile = *parse_profile(profile), .faults = *parse_faults("default")});
}

class Soak : public ::testing::TestWithParam<const char*> {};

TEST_P(Soak, no_seed_breaks_a_rule_and_every_cluster_recovers) {
  const char* one = std::getenv("AURUM_SOAK_SEED");
  const char* many = std::getenv("AURUM_SOAK_SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t seeds = many != nullptr ? std::strtoull(many, nullptr, 10) : 40;
  const std::uint64_t last = one != nullptr ? first : seeds;
  for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    const RunResult result = run_seed(seed, GetParam());
    if (result.violations.empty()) continue;
    ADD_FAILURE() << "seed " << seed << ", " << result.shape.text() << ": "
                  << result.violations.front() << "\n"
                  << result.story;
    for (const Fault& fault : result.plan) GTEST_LOG_(INFO) << fault.text();
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Soak, ::testing::Values("async", "sync", "strict", "archive"),
                         [](const auto& mode) { return std::string(mode.param); });

TEST(Run, the_same_seed_is_the_same_run_to_the_last_event) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const RunResult a = run_seed(seed, "mixed"), b = run_seed(seed, "mixed");
    EXPECT_EQ(a.digest, b.digest);
    EXPECT_EQ(a.last_event, b.last_event);
    EXPECT_NE(a.digest, run_seed(seed + 1, "mixed").digest);
  }
}

}  // namespace
}  // namespace aurum::sim
