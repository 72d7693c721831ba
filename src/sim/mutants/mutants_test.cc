// The checker can fail: every known-wrong core of mutants.txt breaks a rule within its number of
// seeds, and the true one none in the same runs. Mutants that only a fault without end shows, or
// one at a certain moment, break a named scenario instead.

#include "sim/mutants/mutants.h"

#include <cstdlib>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/run.h"

namespace aurum::sim {
namespace {

RunResult run_seed(const Mutant& m, int seed) {
  return run({.seed = static_cast<std::uint64_t>(seed),
              .profile = *parse_profile(m.profile),
              .faults = *parse_faults(m.faults)});
}

class Mutants : public ::testing::TestWithParam<Mutant> {
 protected:
  void TearDown() override { choose_mutant(""); }
};

TEST_P(Mutants, is_caught) {
  const Mutant& m = GetParam();
  ASSERT_TRUE(choose_mutant(m.name));
  if (!m.scenario.empty()) {
    const std::string command =
        fmt::format("AURUM_MUTANT={} '{}' --gtest_filter='*{}' >/dev/null 2>&1", m.name,
                    AURUM_SCENARIOS, m.scenario);
    EXPECT_NE(std::system(command.c_str()), 0)
        << m.scenario << " does not see that it " << m.breaks;
    return;
  }
  for (int seed = 1; seed <= m.seeds; ++seed) {
    const RunResult result = run_seed(m, seed);
    if (result.violations.empty()) continue;
    RecordProperty("seed", seed);
    RecordProperty("violation", to_string(result.violations.front()));
    return;
  }
  ADD_FAILURE() << m.name << " survived " << m.seeds << " seeds, and breaks this: " << m.breaks;
}

INSTANTIATE_TEST_SUITE_P(Known, Mutants, ::testing::ValuesIn(all_mutants()),
                         [](const auto& mutant) { return std::string(mutant.param.name); });

TEST(Mutants, without_one_the_same_seeds_are_clean) {
  ASSERT_TRUE(choose_mutant(""));
  std::map<std::pair<std::string_view, std::string_view>, const Mutant*> longest;
  for (const Mutant& m : all_mutants()) {
    const Mutant*& known = longest[{m.profile, m.faults}];
    if (m.scenario.empty() && (known == nullptr || known->seeds < m.seeds)) known = &m;
  }
  for (const auto& [runs, m] : longest) {
    for (int seed = 1; m != nullptr && seed <= m->seeds; ++seed) {
      const RunResult result = run_seed(*m, seed);
      if (result.violations.empty()) continue;
      ADD_FAILURE() << m->profile << ", " << m->faults << ", seed " << seed << ": "
                    << result.violations.front() << "\n"
                    << result.story;
    }
  }
}

TEST(Mutants, there_are_enough_of_them) {
  EXPECT_GE(all_mutants().size(), 24U);
  EXPECT_FALSE(choose_mutant("no such one"));
}

}  // namespace
}  // namespace aurum::sim
