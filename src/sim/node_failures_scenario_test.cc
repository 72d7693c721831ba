// What servers, hosts and operators did to systems like this one (docs/FAILURES.md).

#include <algorithm>

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class NodeFailures : public Scenario {
 protected:
  bool moved() { return w().writer() != nullptr && w().writer() != &old_primary(); }
  static void tag(Node& n, const char* name, model::Value value) {
    if (!n.config.tags.is_object()) n.config.tags = model::Value::object();
    n.config.tags.set(name, std::move(value));
  }
};

TEST_F(NodeFailures, F16_a_server_that_can_not_even_be_killed_costs_its_node_the_lock) {
  begin();
  old_primary().pg.hung = old_primary().pg.unkillable = true;
  EXPECT_TRUE(w().run_until([&] { return moved(); }, seconds(25))) << w().describe();
  old_primary().pg.hung = false;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(NodeFailures, F17_an_empty_node_never_founds_a_second_cluster) {
  begin();
  for (Node* n : w().nodes()) w().power_off(*n);
  w().run_for(seconds(30));
  ASSERT_EQ(w().leader(), "");
  replica(0).pg = Postgres{};  // its disk was lost as well
  w().power_on(replica(0));
  w().run_for(seconds(120));
  EXPECT_EQ(w().initdbs, 1);
  EXPECT_EQ(replica(0).pg.data, model::DataDir::empty) << "it waits for somebody to copy from";
  w().power_on(old_primary());
  w().power_on(replica(1));
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_EQ(w().initdbs, 1);
}

TEST_F(NodeFailures, F21_a_few_probes_without_an_answer_change_nothing) {
  begin();
  const int pid = old_primary().pg.pid;
  for (int i = 0; i < 5; ++i) {
    old_primary().pg.hung = true;
    w().run_for(seconds(2));
    old_primary().pg.hung = false;
    w().run_for(seconds(3));
  }
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(old_primary().pg.pid, pid);
  EXPECT_EQ(timeline(), 1u);
}

TEST_F(NodeFailures, F23_a_standby_that_silently_stopped_following_does_not_win) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin({.nodes = 3, .seed = seed});
    Node& stale = replica(static_cast<int>(seed % 2));
    w().cut_between(stale, old_primary());
    w().run_for(seconds(3));
    w().power_off(old_primary());
    ASSERT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(15)));
    EXPECT_NE(w().writer(), &stale) << w().describe();
    for (Node* n : w().nodes()) n->mute_to = 0;
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(NodeFailures, F28_losing_primary_and_synchronous_standby_is_refused_with_a_reason) {
  begin({.nodes = 4, .seed = 3, .dcs = dcs({{"synchronous_mode", true}})});
  const auto& sync = [&]() -> const model::SyncKey& { return w().store.view().sync; };
  ASSERT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(10)));
  Node& standby = w().node(sync().members.front());
  w().power_off(old_primary());
  w().power_off(standby);
  w().run_for(seconds(60));
  EXPECT_EQ(w().writer(), nullptr) << "the others do not have every acknowledged row";
  for (Node* n : w().nodes()) {
    if (!n->up) continue;
    EXPECT_TRUE(std::ranges::any_of(n->notes, [](const Note& note) {
      return note.text.find("not allowed to promote") != std::string::npos;
    })) << n->name;
  }
  w().power_on(standby);
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &standby; }, seconds(30)))
      << w().describe();
}

TEST_F(NodeFailures, F29_a_race_of_equals_ends_with_the_highest_priority) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin({.nodes = 5, .seed = seed});
    w().run_for(seconds(1));
    int i = 0;
    for (Node* n : w().nodes()) {
      tag(*n, "failover_priority", static_cast<std::int64_t>(1 + (seed * 7 + 3 * i++) % 5));
      w().deliver(*n, ConfigReloaded{n->config});
    }
    w().run_for(seconds(5));
    w().request_failover({.leader = old_primary().name});  // a clean stop: all have the same
    ASSERT_TRUE(w().run_until([&] { return moved(); }, seconds(20))) << w().describe();
    model::Member best, winner;
    winner.tags = w().writer()->config.tags;
    for (Node* n : w().nodes()) {
      best.tags = n->config.tags;
      if (n == &old_primary()) continue;
      EXPECT_GE(model::tag_failover_priority(winner), model::tag_failover_priority(best))
          << w().describe();
    }
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(NodeFailures, who_may_be_ahead_is_waited_for) {
  begin();
  Node &behind = replica(0), &ahead = replica(1);
  w().cut_between(old_primary(), behind);
  w().run_for(seconds(2));
  w().power_off(old_primary());
  ahead.delay = milliseconds(600);
  ASSERT_TRUE(w().run_until([&] { return moved(); }, seconds(30))) << w().describe();
  EXPECT_EQ(w().writer(), &ahead) << w().describe();
}

TEST_F(NodeFailures, F30_a_promotion_soon_after_another_gets_its_own_checkpoint) {
  begin();
  for (Node* n : w().nodes()) n->pg.slow_calls = seconds(2);  // longer than a leadership lasts here
  for (int i = 0; i < 6; ++i) {
    Node& leader = *w().writer();
    Node& next = &leader == &replica(0) ? replica(1) : replica(0);
    w().request_failover({.leader = leader.name, .candidate = next.name});
    ASSERT_TRUE(w().run_until([&] { return w().writer() == &next; }, seconds(20)))
        << w().describe();
    ASSERT_TRUE(w().run_until_healthy()) << w().describe();
  }
  w().run_for(seconds(6));
  EXPECT_EQ(w().writer()->pg.checkpoint_timeline, timeline()) << w().describe();
}

TEST_F(NodeFailures, F31_replicas_follow_a_leader_that_stayed_and_changed_its_timeline) {
  begin();
  for (Node* n : w().nodes()) n->reaches_store = false;
  w().run_for(seconds(14));
  ASSERT_EQ(w().leader(), "");
  old_primary().reaches_store = true;  // the replicas do not see that anything happened
  ASSERT_TRUE(w().run_until([&] { return w().writer() == &old_primary(); }, seconds(20)))
      << w().describe();
  EXPECT_EQ(timeline(), 2u);
  w().run_for(seconds(3));
  for (Node* n : w().nodes()) n->reaches_store = true;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(NodeFailures, F36_a_stop_that_ends_in_a_kill_hands_nothing_over) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin({.nodes = 2, .seed = seed});
    replica().pg.hung = true;  // it receives nothing for a moment
    w().run_for(milliseconds(400));
    replica().pg.hung = false;
    w().request_failover({.leader = old_primary().name});
    ASSERT_TRUE(w().run_until([&] { return old_primary().core->state().demoting; }, seconds(5)));
    w().kill_server(old_primary());
    ASSERT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)));
    EXPECT_EQ(w().lost_unguarded, 0) << w().describe();
    TearDown();
  }
}

TEST_F(NodeFailures, F44_calls_of_postgresql_that_take_minutes_stop_nothing) {
  begin();
  for (Node* n : w().nodes()) n->pg.slow_calls = seconds(120);
  const int pid = old_primary().pg.pid;
  w().power_off(replica(1));
  w().run_for(seconds(20));
  w().power_on(replica(1));
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_EQ(old_primary().pg.pid, pid);
  w().request_failover({.leader = old_primary().name, .candidate = replica(0).name});
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &replica(0); }, seconds(10)))
      << w().describe();
}

// For new connections: what stands goes on.
TEST_F(NodeFailures, F45_names_that_vanish_or_hang_cost_no_leadership_and_stop_no_failover) {
  for (const Node::Names names : {Node::Names::fail, Node::Names::hang}) {
    begin();
    const int pid = old_primary().pg.pid;
    for (Node* n : w().nodes()) n->names = names;
    w().run_for(seconds(30));
    EXPECT_EQ(w().writer(), &old_primary());
    EXPECT_EQ(old_primary().pg.pid, pid);
    EXPECT_EQ(w().replicas().size(), 2U) << w().describe();
    w().power_off(old_primary());
    EXPECT_TRUE(w().run_until([&] { return moved(); }, seconds(20))) << w().describe();
    for (Node* n : w().nodes()) n->names = Node::Names::resolve;
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(NodeFailures, F49_a_directory_of_another_cluster_is_refused_and_left_alone) {
  begin();
  w().power_off(replica());
  replica().pg.system_identifier = "42";
  const model::Lsn end = replica().pg.wal.end;
  w().power_on(replica());
  w().run_for(seconds(20));
  EXPECT_TRUE(replica().exited && replica().exited->first == 1) << w().describe();
  EXPECT_EQ(replica().pg.wal.end, end);
  EXPECT_EQ(replica().pg.data, model::DataDir::ready);
  EXPECT_EQ(w().writer(), &old_primary());
}

TEST_F(NodeFailures, F52_a_rolling_restart_of_everything_loses_nothing) {
  for (const bool sync : {false, true}) {
    begin({.nodes = 3, .seed = 6, .dcs = dcs({{"synchronous_mode", sync}})});
    for (int i = 0; i < 2; ++i) {
      w().request(replica(i), Request{0, RestartRequest{}});
      w().run_for(seconds(2));
      EXPECT_TRUE(w().run_until_healthy()) << w().describe();
      w().stop_agent(replica(i));
      w().run_for(seconds(4));
      w().start_agent(replica(i));
      EXPECT_TRUE(w().run_until_healthy()) << w().describe();
      EXPECT_EQ(w().writer(), &old_primary());
    }
    w().request(old_primary(), Request{0, RestartRequest{}});
    w().run_for(seconds(2));
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    const auto named = [&] { return !sync || !w().store.view().sync.members.empty(); };
    EXPECT_TRUE(w().run_until(named, seconds(10))) << "nobody could take over";
    w().stop_agent(old_primary());
    EXPECT_TRUE(w().run_until([&] { return moved(); }, seconds(10))) << w().describe();
    w().run_for(seconds(4));
    w().start_agent(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    EXPECT_EQ(w().lost_unguarded, 0) << w().describe();
    TearDown();
  }
}

TEST_F(NodeFailures, F54_a_former_primary_that_sees_nobody_never_writes) {
  begin();
  for (Node* n : w().nodes()) w().power_off(*n);
  w().run_for(seconds(1));
  old_primary().reaches_store = old_primary().reaches_peers = false;
  w().power_on(old_primary());
  EXPECT_FALSE(w().run_until([&] { return old_primary().pg.writable(); }, seconds(60)));
  w().power_on(replica(0));
  w().power_on(replica(1));
  EXPECT_TRUE(w().run_until([&] { return moved(); }, seconds(30))) << w().describe();
  old_primary().reaches_store = old_primary().reaches_peers = true;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// Its disk is read-only, or hangs. The stop that precedes the end of its time is none, then.
TEST_F(NodeFailures, a_primary_whose_disk_takes_no_writes_gives_way_to_one_whose_does) {
  for (const bool failsafe : {false, true}) {
    for (const bool hangs : {false, true}) {
      SCOPED_TRACE(failsafe);
      SCOPED_TRACE(hangs);
      begin(
          {.nodes = 3,
           .seed = 4,
           .dcs = dcs({{"failsafe_mode", failsafe}, {"ttl", 10}, {"primary_start_timeout", 300}})});
      w().run_for(seconds(5));
      old_primary().pg.read_only = true;  // its queries are answered as before
      if (hangs) old_primary().pg.slow_stop = seconds(600);
      EXPECT_TRUE(w().run_until([&] { return moved(); }, seconds(14))) << w().describe();
      w().run_for(seconds(30));
      EXPECT_NE(w().writer(), nullptr);
      EXPECT_FALSE(old_primary().pg.writable()) << "it has not come back to lead";
      old_primary().pg.read_only = false;
      old_primary().pg.slow_stop = {};
      EXPECT_TRUE(w().run_until_healthy()) << w().describe();
      TearDown();
    }
  }
}

TEST_F(NodeFailures, where_no_disk_takes_writes_it_is_started_again_when_one_does) {
  begin({.nodes = 1, .seed = 4});
  old_primary().pg.read_only = true;
  w().run_for(seconds(60));
  old_primary().pg.read_only = false;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

}  // namespace
}  // namespace aurum::sim
