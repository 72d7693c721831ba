// What operators ask for.

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

using Operators = Scenario;

TEST_F(Operators, a_switchover_to_anybody_loses_nothing) {
  begin();
  w().request_failover({.leader = old_primary().name});
  const Duration outage =
      seconds_to([&] { return w().writer() && w().writer() != &old_primary(); }, seconds(10));
  EXPECT_LT(outage, seconds(1));
  EXPECT_TRUE(w().run_until_healthy(seconds(10))) << w().describe();
  EXPECT_EQ(w().lost_unguarded, 0);
  EXPECT_FALSE(old_primary().said("rejoin.rewind")) << "it stopped cleanly\n" << w().describe();
  w().run_for(seconds(3));
  EXPECT_TRUE(w().store.view().failover->is_empty()) << "no request is left behind";
}

TEST_F(Operators, a_switchover_to_a_named_candidate_goes_there) {
  for (int which = 0; which < 2; ++which) {
    begin({.nodes = 3, .seed = 11});
    w().request_failover({.leader = old_primary().name, .candidate = replica(which).name});
    EXPECT_TRUE(w().run_until([&] { return w().leader() == replica(which).name; }, seconds(10)))
        << w().describe();
    EXPECT_TRUE(w().run_until_healthy(seconds(10))) << w().describe();
    EXPECT_EQ(w().writer(), &replica(which));
    TearDown();
  }
}

TEST_F(Operators, a_scheduled_switchover_happens_at_its_time) {
  begin();
  const WallTime when{w().wall().us + 20'000'000};
  w().request_failover({.leader = old_primary().name,
                        .candidate = replica().name,
                        .scheduled_at = model::iso8601(when)});
  w().run_for(seconds(18));
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &replica(); }, seconds(6)))
      << w().describe();
  EXPECT_TRUE(w().run_until_healthy(seconds(10)));
}

TEST_F(Operators, an_impossible_candidate_changes_nothing_and_the_request_is_cleared) {
  begin();
  w().power_off(replica());
  w().request_failover({.leader = old_primary().name, .candidate = replica().name});
  w().run_for(seconds(10));
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(timeline(), 1u);
  EXPECT_TRUE(w().store.view().failover->is_empty());
  EXPECT_TRUE(old_primary().said("switchover.refused"));
}

TEST_F(Operators, a_manual_failover_without_leader_goes_to_its_candidate) {
  begin();
  w().power_off(old_primary());
  // Both have the same rows; by itself the election would be a matter of luck.
  replica(0).pg.wal = replica(1).pg.wal = old_primary().pg.wal;
  w().request_failover({.candidate = replica(1).name});
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)))
      << w().describe();
  EXPECT_EQ(w().writer(), &replica(1)) << w().describe();
}

TEST_F(Operators, a_clean_stop_of_the_leader_hands_over_first) {
  begin();
  w().stop_agent(old_primary());
  const Duration outage =
      seconds_to([&] { return w().writer() && w().writer() != &old_primary(); }, seconds(10));
  EXPECT_LT(outage, seconds(1)) << w().describe();
  w().run_for(seconds(5));
  ASSERT_TRUE(old_primary().exited.has_value());
  EXPECT_EQ(old_primary().exited->first, 0);
  EXPECT_FALSE(old_primary().pg.alive);
  EXPECT_EQ(w().lost_unguarded, 0);
  w().start_agent(old_primary());
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_FALSE(old_primary().said("rejoin.rewind"));
}

TEST_F(Operators, all_stop_cleanly_and_start_again) {
  begin();
  for (Node* n : w().nodes()) w().stop_agent(*n);
  w().run_for(seconds(15));
  for (Node* n : w().nodes()) {
    ASSERT_TRUE(n->exited.has_value()) << w().describe();
    EXPECT_FALSE(n->pg.alive);
  }
  for (Node* n : w().nodes()) w().start_agent(*n);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_EQ(w().lost_unguarded, 0);
}

TEST_F(Operators, nothing_happens_while_paused_and_all_is_as_before_afterwards) {
  begin();
  w().set_config("pause", true);
  w().run_for(seconds(3));
  EXPECT_EQ(old_primary().page.state, PageState::maintenance);
  for (Node* n : w().nodes()) {
    if (n != &old_primary()) {
      EXPECT_NE(n->page.state, PageState::maintenance);
    }
  }
  w().cut_store(true);
  w().run_for(seconds(40));
  EXPECT_TRUE(old_primary().pg.writable()) << "a store that is gone stops nobody in maintenance";
  w().cut_store(false);
  w().run_for(seconds(10));
  EXPECT_EQ(w().leader(), old_primary().name);
  w().kill_server(replica());
  w().run_for(seconds(20));
  EXPECT_FALSE(replica().pg.alive);
  w().set_config("pause", false);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(old_primary().page.state, PageState::leased);
  EXPECT_EQ(timeline(), 1u);
}

TEST_F(Operators, a_primary_that_lost_the_lock_in_a_pause_is_fenced_when_it_ends) {
  begin();
  w().set_config("pause", true);
  w().run_for(seconds(2));
  old_primary().reaches_store = false;
  w().run_for(seconds(30));
  EXPECT_TRUE(old_primary().pg.writable());
  old_primary().reaches_store = true;
  w().set_config("pause", false);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Operators, a_named_switchover_works_while_paused) {
  begin();
  w().set_config("pause", true);
  w().run_for(seconds(2));
  w().request_failover({.leader = old_primary().name, .candidate = replica().name});
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &replica(); }, seconds(15)))
      << w().describe();
  w().run_for(seconds(5));
  w().set_config("pause", false);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Operators, a_restart_request_restarts_and_is_answered) {
  begin();
  for (Node* n : {&old_primary(), &replica()}) {
    const int pid = n->pg.pid;
    w().request(*n, Request{7, RestartRequest{}});
    w().run_for(seconds(5));
    ASSERT_EQ(n->replies.size(), 1u);
    EXPECT_EQ(n->replies[0].status, 200);
    EXPECT_NE(n->pg.pid, pid);
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  }
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(timeline(), 1u);
}

TEST_F(Operators, a_scheduled_restart_happens_at_its_time_and_can_be_cancelled) {
  begin();
  const WallTime when{w().wall().us + 10'000'000};
  w().request(replica(0), Request{1, RestartRequest{.at = when}});
  w().request(replica(1), Request{2, RestartRequest{.at = when}});
  w().run_for(seconds(1));
  w().request(replica(1), Request{3, CancelRestart{}});
  const int pids[] = {replica(0).pg.pid, replica(1).pg.pid};
  w().run_for(seconds(15));
  EXPECT_NE(replica(0).pg.pid, pids[0]);
  EXPECT_EQ(replica(1).pg.pid, pids[1]);
  EXPECT_EQ(replica(0).replies.front().status, 202);
  EXPECT_EQ(replica(1).replies.back().status, 200);
}

TEST_F(Operators, reinit_copies_a_replica_anew_also_in_a_pause_and_never_the_leader) {
  begin();
  for (const bool paused : {false, true}) {
    w().set_config("pause", paused);
    w().run_for(seconds(2));
    const int pid = replica().pg.pid;
    w().request(replica(), Request{4, ReinitRequest{}});
    w().run_for(seconds(10));
    EXPECT_EQ(replica().replies.back().status, 200);
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    EXPECT_NE(replica().pg.pid, pid);
  }
  w().request(old_primary(), Request{5, ReinitRequest{}});
  w().run_for(seconds(5));
  EXPECT_EQ(old_primary().replies.back().status, 503);
  EXPECT_TRUE(w().healthy());
}

TEST_F(Operators, a_new_ttl_takes_effect_without_losing_the_lock) {
  begin();
  for (const int ttl : {30, 5, 20, 2, 10}) {
    w().set_config("ttl", ttl);
    w().run_for(seconds(40));
    EXPECT_TRUE(w().healthy()) << "ttl " << ttl << "\n" << w().describe();
    EXPECT_EQ(w().writer(), &old_primary()) << "ttl " << ttl;
    ASSERT_EQ(timeline(), 1u) << "ttl " << ttl << w().describe();
  }
}

TEST_F(Operators, a_single_node_leads_again_after_everything) {
  begin({.nodes = 1, .seed = 2});
  w().kill_server(old_primary());
  EXPECT_TRUE(w().run_until_healthy());
  w().stop_agent(old_primary());
  w().run_for(seconds(5));
  w().start_agent(old_primary());
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  w().cut_store(true);
  w().run_for(seconds(30));
  w().cut_store(false);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Operators, a_data_directory_the_store_does_not_know_is_adopted_by_one_node_only) {
  begin({.nodes = 3, .seed = 6});
  for (Node* n : w().nodes()) w().power_off(*n);
  w().run_for(seconds(30));
  w().store = Store{};
  for (Node* n : w().nodes()) w().power_on(*n);
  w().run_for(seconds(60));
  EXPECT_EQ(w().writer(), &old_primary()) << w().describe();
  EXPECT_EQ(w().initdbs, 1);
}

}  // namespace
}  // namespace aurum::sim
