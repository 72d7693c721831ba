// Quorum commit: a commit waits for any k of the voters, an election for so many of them that one
// has it. World checks at each take-over that no acknowledged row is missing.

#include <algorithm>

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class Quorum : public Scenario {
 protected:
  void begin_quorum(int nodes, std::uint64_t seed = 1, int count = 1) {
    begin({.nodes = nodes,
           .seed = seed,
           .dcs = dcs({{"synchronous_mode", "quorum"}, {"synchronous_node_count", count}})});
    ASSERT_TRUE(w().run_until([&] { return settled(nodes - 1, count); }, seconds(10)))
        << w().describe();
    w().run_for(seconds(1));
  }
  const model::SyncKey& sync() { return w().store.view().sync; }
  bool settled(int voters, int needed) {
    return static_cast<int>(sync().members.size()) == voters && sync().quorum == voters - needed;
  }
};

TEST_F(Quorum, every_standby_votes_and_a_commit_waits_for_one) {
  begin_quorum(4);
  EXPECT_EQ(old_primary().pg.sync_names.substr(0, 7), "ANY 1 (") << old_primary().pg.sync_names;
  w().set_config("synchronous_node_count", 2);
  EXPECT_TRUE(w().run_until([&] { return settled(3, 2); }, seconds(10))) << w().describe();
  EXPECT_EQ(old_primary().pg.sync_names.substr(0, 7), "ANY 2 (") << old_primary().pg.sync_names;
}

TEST_F(Quorum, a_standby_that_dies_stops_no_write_and_no_later_failover) {
  begin_quorum(3);
  w().power_off(replica(0));
  const auto rows = w().acknowledged.size();
  w().run_for(milliseconds(500));
  EXPECT_GT(w().acknowledged.size(), rows + 3) << "nobody has to notice first";
  EXPECT_TRUE(w().run_until([&] { return settled(1, 1); }, seconds(20))) << w().describe();
  w().power_off(old_primary());
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(40)))
      << w().describe();
}

TEST_F(Quorum, who_has_every_row_takes_over_and_nobody_else) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin_quorum(3 + static_cast<int>(seed % 3), seed);
    w().power_off(old_primary());
    EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(40)))
        << w().describe();
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(Quorum, with_too_few_votes_nobody_leads_until_one_is_back) {
  begin_quorum(4);  // of three voters any one has the row: an election asks for all of them
  w().power_off(old_primary());
  w().power_off(replica(0));
  w().run_for(seconds(60));
  EXPECT_EQ(w().writer(), nullptr) << w().describe();
  w().power_on(replica(0));
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(40)))
      << w().describe();
}

TEST_F(Quorum, the_recorded_leader_takes_over_alone) {
  begin_quorum(3);
  for (Node* n : w().nodes()) w().power_off(*n);
  w().run_for(seconds(5));
  w().power_on(old_primary());
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &old_primary(); }, seconds(60)))
      << w().describe();
}

TEST_F(Quorum, the_mode_changes_in_both_directions_under_load) {
  begin_quorum(4, 1, 2);
  for (int round = 0; round < 3; ++round) {
    w().set_config("synchronous_mode", true);
    ASSERT_TRUE(w().run_until([&] { return sync().quorum == 0 && sync().members.size() == 2; },
                              seconds(10)))
        << w().describe();
    ASSERT_TRUE(
        w().run_until([&] { return old_primary().pg.sync_names.starts_with("2 ("); }, seconds(10)));
    w().set_config("synchronous_mode", "quorum");
    ASSERT_TRUE(w().run_until([&] { return settled(3, 2); }, seconds(10))) << w().describe();
  }
  w().set_config("synchronous_mode", false);
  EXPECT_TRUE(w().run_until([&] { return sync().mod_revision == 0; }, seconds(10)));
  EXPECT_TRUE(w().run_until([&] { return old_primary().pg.sync_names.empty(); }, seconds(10)));
}

TEST_F(Quorum, a_switchover_goes_to_the_member_that_was_named) {
  begin_quorum(4);
  const std::string to = replica(2).name;
  w().request_failover({.leader = old_primary().name, .candidate = to});
  EXPECT_TRUE(w().run_until([&] { return w().writer() && w().writer()->name == to; }, seconds(10)))
      << w().describe();
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Quorum, a_killed_primary_hands_over_where_an_election_can_pass) {
  begin_quorum(3);
  w().kill_server(old_primary());
  const Duration outage = seconds_to(
      [&] { return w().writer() != nullptr && w().writer() != &old_primary(); }, seconds(10));
  EXPECT_LT(outage, seconds(1));
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Quorum, a_killed_primary_starts_in_place_where_none_can) {
  begin_quorum(4);
  w().power_off(replica(0));
  w().run_for(milliseconds(100));  // too soon for anybody to have noticed
  w().kill_server(old_primary());
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(60)))
      << w().describe();
  w().power_on(replica(0));
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// One node hears nothing of the store for a moment, in which another one leads, acknowledges and
// stops: what this one, and the voters, had before that is no vote now.
TEST_F(Quorum, votes_from_before_another_leadership_are_worth_nothing) {
  for (std::int64_t ms = 200; ms < 1600; ms += 50) {
    begin_quorum(4, 1, 2);
    Node& late = replica(0);
    Node& second = replica(1);
    Node& third = replica(2);
    w().cut_between(late, third);  // so that it waits long for an answer
    w().power_off(old_primary());
    ASSERT_TRUE(w().run_until([&] { return w().leader().empty(); }, seconds(20)));
    w().run_for(milliseconds(5));
    late.watch_stalled = true;
    w().run_for(milliseconds(ms));
    w().stop_agent(second);
    w().run_until([&] { return w().leader().empty(); }, seconds(1));
    late.watch_stalled = false;
    w().run_for(seconds(5));
    w().cut_between(late, third, false);
    w().start_agent(second);
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

// A standby that came late votes only when it has what was acknowledged before commits waited for
// it, too.
TEST_F(Quorum, who_votes_has_what_was_acknowledged_before) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    begin_quorum(3, seed);
    w().power_off(replica(0));
    ASSERT_TRUE(w().run_until([&] { return settled(1, 1); }, seconds(20))) << w().describe();
    w().power_off(replica(1));
    ASSERT_TRUE(w().run_until([&] { return sync().members.empty(); }, seconds(20)))
        << w().describe();
    w().run_for(seconds(1));
    Node& back = replica(static_cast<int>(seed % 2));
    back.pg.failing_starts = static_cast<int>(seed % 3);
    w().power_on(back);
    ASSERT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(60)))
        << w().describe();
    w().power_off(old_primary());
    w().run_for(seconds(30));
    w().power_on(replica(static_cast<int>(1 - seed % 2)));
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

}  // namespace
}  // namespace aurum::sim
