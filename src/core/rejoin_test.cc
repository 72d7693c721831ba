#include "core/rejoin.h"

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

using model::Lsn;

model::UpstreamState upstream(model::Timeline timeline, std::uint64_t position,
                              model::History history = {}) {
  return {"7", timeline, Lsn{position}, false, std::move(history)};
}
model::HistoryEntry ended(model::Timeline timeline, std::uint64_t at) {
  return {timeline, Lsn{at}, "", "", ""};
}

struct DivergenceCase {
  const char* says;
  LocalEnd local;
  model::UpstreamState leader;
  Divergence expected;
};

TEST(CompareHistories, table) {
  const auto standby = [](model::Timeline t, std::uint64_t lsn) {
    return LocalEnd{t, Lsn{lsn}, false, true, true};
  };
  const auto stopped = [](model::Timeline t, std::uint64_t lsn) {
    return LocalEnd{t, Lsn{lsn}, true, true, true};
  };
  const auto crashed = [](model::Timeline t, std::uint64_t lsn) {
    return LocalEnd{t, Lsn{lsn}, true, false, true};
  };
  const DivergenceCase cases[] = {
      {"a standby behind on the same timeline streams", standby(1, 90), upstream(1, 100),
       Divergence::none},
      {"a standby a moment ahead of what the leader said streams", standby(1, 110),
       upstream(1, 100), Divergence::none},
      {"a standby at the fork streams", standby(1, 100), upstream(2, 200, {ended(1, 100)}),
       Divergence::none},
      {"a standby one byte past the fork has diverged", standby(1, 101),
       upstream(2, 200, {ended(1, 100)}), Divergence::diverged},
      {"a primary whose last record starts before the fork was heard to the end", stopped(1, 99),
       upstream(2, 200, {ended(1, 100)}), Divergence::none},
      {"a primary whose last record starts at the fork was not", stopped(1, 100),
       upstream(2, 200, {ended(1, 100)}), Divergence::diverged},
      {"a crashed primary behind the fork may have written more", crashed(1, 50),
       upstream(2, 200, {ended(1, 100)}), Divergence::unknown},
      {"a crashed primary whose last checkpoint is past the fork has diverged", crashed(1, 150),
       upstream(2, 200, {ended(1, 100)}), Divergence::diverged},
      {"a crashed primary on the leader's own timeline is to be looked at", crashed(2, 50),
       upstream(2, 200), Divergence::unknown},
      {"a stopped primary ahead on the same timeline has diverged", stopped(2, 300),
       upstream(2, 200), Divergence::diverged},
      {"a newer timeline than the leader's has diverged", standby(3, 10), upstream(2, 200),
       Divergence::diverged},
      {"a timeline the leader never was on has diverged", standby(2, 10),
       upstream(3, 200, {ended(1, 100)}), Divergence::diverged},
      {"two forks back is told by the fork of one's own timeline", standby(1, 100),
       upstream(3, 300, {ended(1, 100), ended(2, 200)}), Divergence::none},
  };
  for (const auto& c : cases) EXPECT_EQ(compare_histories(c.local, c.leader), c.expected) << c.says;
}

TEST(PlanRejoin, every_combination_follows_the_order_and_ends) {
  for (const Divergence divergence : {Divergence::none, Divergence::diverged, Divergence::unknown})
    for (const bool use : {false, true})
      for (const bool rewindable : {false, true})
        for (const bool checkpointed : {false, true})
          for (int failures = 0; failures <= 3; ++failures)
            for (const bool may_remove : {false, true}) {
              const RejoinPlan plan =
                  plan_rejoin({divergence, use, rewindable, checkpointed, failures, may_remove});
              const bool rewind = use && rewindable && failures < kRewindTries;
              RejoinStep expected = may_remove ? RejoinStep::clone : RejoinStep::park;
              if (divergence == Divergence::none)
                expected = RejoinStep::stream;
              else if (divergence == Divergence::unknown)
                expected = RejoinStep::recover;  // after it nothing is unknown any more
              else if (rewind)
                expected = checkpointed ? RejoinStep::rewind : RejoinStep::wait_for_checkpoint;
              EXPECT_EQ(plan.step, expected);
              EXPECT_FALSE(plan.reason.empty());
            }
}

TEST(PlanRejoin, a_crashed_directory_is_recovered_before_it_is_rewound) {
  RejoinFacts facts{.divergence = Divergence::diverged,
                    .use_pg_rewind = true,
                    .rewindable = true,
                    .may_remove_data = true,
                    .clean = false};
  EXPECT_EQ(plan_rejoin(facts).step, RejoinStep::recover) << "pg_rewind refuses it as it is";
  facts.recover_failures = kRecoverTries;
  EXPECT_EQ(plan_rejoin(facts).step, RejoinStep::clone) << "it can not be recovered: bounded tries";
  facts.may_remove_data = false;
  EXPECT_EQ(plan_rejoin(facts).step, RejoinStep::park);
}

TEST(LocalEnd, is_read_from_what_runs_or_from_pg_control) {
  model::PgFacts facts;
  EXPECT_FALSE(local_end(facts)) << "nothing runs, and pg_control can not be read";

  facts.control = model::ControlData{};
  facts.control->state = "shut down";
  facts.control->timeline = 2;
  facts.control->checkpoint = Lsn{100};
  EXPECT_TRUE(local_end(facts)->was_primary && local_end(facts)->clean);
  EXPECT_EQ(local_end(facts)->lsn, Lsn{100});
  facts.control->state = "in production";
  EXPECT_TRUE(local_end(facts)->was_primary);
  EXPECT_FALSE(local_end(facts)->clean);
  facts.control->state = "shut down in recovery";
  facts.control->minimum_recovery_end = Lsn{150};
  facts.control->minimum_recovery_timeline = 3;
  EXPECT_FALSE(local_end(facts)->was_primary);
  EXPECT_EQ(local_end(facts)->lsn, Lsn{150});
  EXPECT_EQ(local_end(facts)->timeline, 3u);

  facts.accepting = facts.in_recovery = true;
  facts.received_lsn = Lsn{300};
  facts.replayed_lsn = Lsn{250};
  EXPECT_EQ(local_end(facts)->lsn, Lsn{250}) << "what is not replayed yet can still be dropped";
  // It receives the leader's timeline, and replayed the former one past the fork.
  facts.timeline = 2;
  const auto leader = upstream(2, 400, {ended(1, 200)});
  EXPECT_EQ(compare_histories(*local_end(facts), leader), Divergence::none) << "as far as it shows";
  const auto misled = local_end(facts, model::Replayed{1, Lsn{250}});
  EXPECT_EQ(compare_histories(*misled, leader), Divergence::diverged);
  const auto late = local_end(facts, model::Replayed{1, Lsn{200}});
  EXPECT_EQ(compare_histories(*late, leader), Divergence::none);
  facts.in_recovery = false;
  EXPECT_EQ(local_end(facts, model::Replayed{1, Lsn{250}})->timeline, 2U) << "promoted since";
}

model::PgFacts stopped(const std::string& state) {
  model::PgFacts facts;
  facts.data_dir = model::DataDir::ready;
  facts.control = model::ControlData{};
  facts.control->state = state;
  facts.control->timeline = 2;
  facts.control->checkpoint = model::Lsn{100};
  return facts;
}

TEST(Rejoin, the_end_of_a_killed_primary_is_not_known) {
  const auto end = local_end(stopped("in production"));
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->was_primary);
  EXPECT_FALSE(end->clean);
}

// The agent that copied it died before the first start; the next one knows only the files.
TEST(Rejoin, a_copy_that_was_never_started_is_no_killed_primary) {
  model::PgFacts facts = stopped("in production");
  facts.copied = true;
  const auto end = local_end(facts);
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->was_primary);
  model::UpstreamState leader;
  leader.timeline = 2;
  leader.position = model::Lsn{200};
  EXPECT_EQ(compare_histories(*end, leader), Divergence::none);
}

}  // namespace
}  // namespace aurum::core
