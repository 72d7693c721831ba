#include "lab/shrink.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace aurum::lab {
namespace {

constexpr int kPlanned = 20;

/// A run in which a rule is broken when all of certain faults happen.
struct Made {
  std::set<int> guilty;
  sim::Rule rule = sim::Rule::one_writer;
  int runs = 0;

  sim::RunResult operator()(const sim::RunOptions& options) {
    ++runs;
    sim::RunResult result;
    result.plan.resize(kPlanned);
    const auto& out = options.without;
    const bool all =
        std::ranges::all_of(guilty, [&](int i) { return std::ranges::find(out, i) == out.end(); });
    if (all) result.violations.push_back({rule, {}, "broken"});
    return result;
  }
};

std::set<int> kept(const sim::RunOptions& options) {
  std::set<int> all;
  for (int i = 0; i < kPlanned; ++i) all.insert(i);
  for (const int i : options.without) all.erase(i);
  return all;
}

TEST(Shrink, leaves_exactly_the_faults_that_it_takes) {
  for (const std::set<int>& guilty :
       {std::set<int>{}, {0}, {19}, {3, 4}, {0, 10, 19}, {1, 3, 5, 7, 9, 11}}) {
    Made made{.guilty = guilty};
    const auto smaller = shrink({}, made({}), 2000, std::ref(made));
    EXPECT_EQ(kept(smaller), guilty);
    EXPECT_LT(made.runs, 200);
  }
}

TEST(Shrink, keeps_out_what_was_left_out_before) {
  Made made{.guilty = {2}};
  const sim::RunOptions options{.without = {0, 1, 5}};
  EXPECT_EQ(kept(shrink(options, made(options), 2000, std::ref(made))), std::set<int>{2});
}

TEST(Shrink, does_not_change_over_to_another_rule) {
  Made made{.guilty = {2}};
  sim::RunResult first = made({});
  first.violations.front().rule = sim::Rule::recovery;
  EXPECT_TRUE(shrink({}, first, 2000, std::ref(made)).without.empty());
}

TEST(Shrink, ends_after_the_runs_it_was_given_and_needs_none_for_a_clean_one) {
  Made made{.guilty = {2, 17}};
  const sim::RunResult first = made({});
  made.runs = 0;
  shrink({}, first, 5, std::ref(made));
  EXPECT_EQ(made.runs, 5);
  made.runs = 0;
  EXPECT_TRUE(shrink({}, sim::RunResult{}, 2000, std::ref(made)).without.empty());
  EXPECT_EQ(made.runs, 0);
}

}  // namespace
}  // namespace aurum::lab
