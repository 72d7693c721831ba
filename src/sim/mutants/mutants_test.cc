// The checker can fail: every known-wrong core of the lists beside this breaks a rule within its
// number of seeds, and the true one none in the same runs. Mutants that only a fault without end
// shows, or one at a certain moment, break a named scenario instead.

#include "sim/mutants/mutants.h"

#include <cstdio>
#include <map>
#include <string>
#include <sys/wait.h>

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

/// 0: it passed, 1: it failed, anything else: it did not run.
int run_scenario(std::string_view mutant, std::string_view scenario) {
  const std::string command =
      fmt::format("AURUM_MUTANT={} timeout 120 '{}' --gtest_filter='*.{}' 2>&1", mutant,
                  AURUM_SCENARIOS, scenario);
  FILE* output = popen(command.c_str(), "r");
  if (output == nullptr) return -1;
  std::string text;
  for (char part[4096]; const std::size_t n = std::fread(part, 1, sizeof part, output);)
    text.append(part, n);
  const int status = pclose(output);
  if (text.find("[ RUN      ]") == std::string::npos || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

class Mutants : public ::testing::TestWithParam<Mutant> {
 protected:
  void TearDown() override { choose_mutant(""); }
};

TEST_P(Mutants, is_caught) {
  const Mutant& m = GetParam();
  ASSERT_TRUE(choose_mutant(m.name));
  if (!m.scenario.empty()) {
    EXPECT_EQ(run_scenario("", m.scenario), 0) << m.scenario << " fails without any mutant";
    EXPECT_EQ(run_scenario(m.name, m.scenario), 1) << "not seen by " << m.scenario;
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
