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

/// Times that a server was excused which acknowledged past its page.
int excused_by_page(const char* profile) {
  int times = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const RunResult result = run(
        {.seed = seed, .profile = *parse_profile(profile), .faults = *parse_faults("processes")});
    EXPECT_TRUE(result.violations.empty()) << profile << " " << seed;
    for (const auto& [why, count] : result.excused) times += why == "lying_disk" ? 0 : count;
  }
  return times;
}

// docs/decisions/0006: neither from its thaw to the guard's next look, nor beside a stopped guard.
TEST(Run, with_the_commit_fence_no_server_acknowledges_beside_another) {
  EXPECT_EQ(excused_by_page("fence-fast"), 0);
  EXPECT_GT(excused_by_page("fast"), 0) << "else these runs show nothing";
}

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
