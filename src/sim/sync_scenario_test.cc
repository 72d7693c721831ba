// Synchronous replication: no acknowledged row is ever lost (World checks it at each take-over, and
// at every step that `sync` promises nothing PostgreSQL does not wait for: F26).

#include <algorithm>

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class Sync : public Scenario {
 protected:
  void begin_sync(int nodes = 3, std::uint64_t seed = 1, bool strict = false) {
    begin({.nodes = nodes,
           .seed = seed,
           .dcs = dcs({{"synchronous_mode", true}, {"synchronous_mode_strict", strict}})});
    ASSERT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(10)))
        << w().describe();
    w().run_for(seconds(1));
  }
  const model::SyncKey& sync() { return w().store.view().sync; }
  void pause_agent(const Node& n, Duration lasts) {
    const auto nodes = w().nodes();
    const auto at = std::find(nodes.begin(), nodes.end(), &n) - nodes.begin();
    w().inject({.kind = FaultKind::pause_agent, .lasts = lasts, .node = static_cast<int>(at)});
  }
};

TEST_F(Sync, a_killed_primary_hands_over_to_its_synchronous_standby) {
  begin_sync();
  const std::string standby = sync().members.front();
  w().kill_server(old_primary());
  const Duration outage = seconds_to([&] { return w().writer() != nullptr; }, seconds(10));
  EXPECT_EQ(w().writer()->name, standby) << w().describe();
  EXPECT_LT(outage, seconds(1));
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  // It crashed with WAL that nobody may have: never started as a standby unseen.
  EXPECT_TRUE(old_primary().said("rejoin.rewind"));
}

TEST_F(Sync, a_standby_that_died_leaves_the_key_first_and_writes_go_on) {
  begin_sync();
  const std::string standby = sync().members.front();
  w().power_off(w().node(standby));
  EXPECT_TRUE(w().run_until([&] { return sync().members.size() == 1 && !sync().has(standby); },
                            seconds(10)))
      << w().describe();
  const auto rows = w().acknowledged.size();
  w().run_for(seconds(2));
  EXPECT_GT(w().acknowledged.size(), rows);
}

TEST_F(Sync, with_all_standbys_gone_writes_go_on_unless_strict) {
  for (const bool strict : {false, true}) {
    begin_sync(3, 1, strict);
    w().power_off(replica(0));
    w().power_off(replica(1));
    w().run_for(seconds(5));
    EXPECT_TRUE(sync().members.empty());
    const auto rows = w().acknowledged.size();
    w().run_for(seconds(3));
    EXPECT_EQ(w().acknowledged.size() > rows, !strict);
    w().power_on(replica(0));
    w().power_on(replica(1));
    EXPECT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(20)))
        << w().describe();
    TearDown();
  }
}

TEST_F(Sync, F22_only_a_recorded_standby_takes_over) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin_sync(4, seed);
    const std::string standby = sync().members.front();
    w().power_off(w().node(standby));
    w().power_off(old_primary());
    w().run_for(seconds(60));
    EXPECT_EQ(w().writer(), nullptr) << "nobody left holds every row\n" << w().describe();
    w().power_on(w().node(standby));
    EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(30)))
        << w().describe();
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(Sync, a_switchover_goes_to_the_synchronous_standby) {
  begin_sync();
  const std::string standby = sync().members.front();
  w().request_failover({.leader = old_primary().name});
  EXPECT_TRUE(
      w().run_until([&] { return w().writer() && w().writer() != &old_primary(); }, seconds(10)));
  EXPECT_EQ(w().writer()->name, standby);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Sync, the_mode_can_be_switched_on_and_off) {
  begin();
  EXPECT_EQ(sync().mod_revision, 0);
  w().set_config("synchronous_mode", true);
  EXPECT_TRUE(w().run_until([&] { return sync().members.size() == 1; }, seconds(10)));
  EXPECT_EQ(old_primary().pg.sync_names, sync().members.front());
  w().set_config("synchronous_node_count", 2);
  EXPECT_TRUE(w().run_until([&] { return sync().members.size() == 2; }, seconds(10)));
  w().set_config("synchronous_mode", false);
  EXPECT_TRUE(w().run_until([&] { return sync().mod_revision == 0; }, seconds(10)));
  w().run_for(seconds(2));
  EXPECT_EQ(old_primary().pg.sync_names, "");
  EXPECT_EQ(w().writer(), &old_primary());
}

TEST_F(Sync, a_failed_promotion_gives_the_right_to_lead_back) {
  begin_sync();
  Node& standby = w().node(sync().members.front());
  standby.pg.failing_promotions = 1;
  w().power_off(old_primary());
  ASSERT_TRUE(w().run_until([&] { return standby.said("release"); }, seconds(20)))
      << w().describe();
  w().run_for(seconds(1));
  w().power_on(old_primary());
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// As an ALTER SYSTEM of an operator leaves it, or a configuration that was not reloaded.
TEST_F(Sync, F26_names_that_somebody_else_set_are_set_right_again) {
  begin({.nodes = 4, .seed = 2, .dcs = dcs({{"synchronous_mode", true}})});
  const auto& sync = [&]() -> const model::SyncKey& { return w().store.view().sync; };
  ASSERT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(10)));
  const std::string chosen = sync().members.front(), right = old_primary().pg.sync_names;
  std::string other;
  for (Node* n : w().nodes()) {
    if (n != &old_primary() && n->name != chosen) other = n->name;
  }
  old_primary().pg.sync_names = "2 (" + chosen + "," + other + ")";
  w().run_for(seconds(3));
  EXPECT_EQ(old_primary().pg.sync_names, right);
  EXPECT_EQ(sync().members, std::vector<std::string>{chosen});
}

TEST_F(Sync, F27_writes_of_the_key_that_are_lost_or_late_promise_nothing_false) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin_sync(3, seed);
    Node& standby = w().node(sync().members.front());
    if (seed % 2 == 0)
      old_primary().delay_requests = 3;
    else
      old_primary().lose_replies = 3;
    w().kill_agent(standby);
    w().kill_server(standby);
    w().run_for(seconds(2));
    if (seed % 3 == 0) w().kill_server(old_primary());
    w().run_for(seconds(5));
    w().start_agent(standby);
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(Sync, a_late_write_of_the_key_by_a_former_agent_promises_nothing) {
  begin_sync();
  Node& lost = w().node(sync().members.front());
  Node& next = &lost == &replica(0) ? replica(1) : replica(0);
  w().power_off(lost);
  ASSERT_TRUE(w().run_until([&] { return old_primary().pg.sync_names == next.name; }, seconds(10)));
  old_primary().delay_requests = 5;  // "next holds every acknowledged commit" is on its way …
  ASSERT_TRUE(w().run_until([&] { return old_primary().delay_requests < 5; }, seconds(5)));
  w().kill_agent(old_primary());  // … when its agent dies
  old_primary().delay_requests = 0;
  w().power_off(next);
  w().start_agent(old_primary());
  w().run_for(seconds(10));
  EXPECT_TRUE(old_primary().said("reclaim"));
  EXPECT_TRUE(sync().members.empty()) << w().describe();
}

TEST_F(Sync, with_the_mode_switched_off_the_key_goes_before_the_names) {
  begin_sync();
  w().kill_agent(old_primary());
  w().kill_server(old_primary());
  w().set_config("synchronous_mode", false);
  w().start_agent(old_primary());
  EXPECT_TRUE(w().run_until([&] { return sync().leader.empty(); }, seconds(10))) << w().describe();
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Sync, a_lock_taken_with_the_mode_switched_off_takes_the_key_away) {
  begin_sync(3, 1, true);
  w().store.lose_leader();
  EXPECT_TRUE(w().run_until(
      [&] { return old_primary().pg.accepting && old_primary().pg.in_recovery; }, seconds(30)))
      << w().describe();
  w().run_for(seconds(4));  // it does not stand again so soon after giving up
  model::Value config = w().store.view().config;
  config.set("synchronous_mode", false);
  w().store.put("config", model::to_json(config));
  w().store.elect_leader(w().now());
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_TRUE(sync().leader.empty());
}

TEST_F(Sync, a_server_that_says_nothing_may_be_a_standby_and_takes_the_lock_as_one) {
  begin_sync(3, 1, true);
  w().store.lose_leader();
  EXPECT_TRUE(w().run_until(
      [&] { return old_primary().pg.accepting && old_primary().pg.in_recovery; }, seconds(30)))
      << w().describe();
  old_primary().pg.hung = true;
  w().run_for(seconds(1));
  w().store.elect_leader(w().now());
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Sync, F06_an_old_read_of_the_key_gives_no_leadership) {
  for (std::size_t revisions = 2; revisions < 40; ++revisions) {
    begin_sync(3, revisions);
    w().kill_agent(old_primary());
    old_primary().stale = revisions;
    w().run_for(seconds(1));
    if (revisions % 2 == 0) old_primary().pg.hung = true;
    w().start_agent(old_primary());
    w().run_for(seconds(12));
    old_primary().stale = 0;
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(Sync, every_write_of_the_key_that_got_no_answer_is_reckoned_with) {
  for (std::int64_t ms = 100; ms < 4000; ms += 100) {
    begin_sync(2, 1, true);
    Node& standby = w().node(sync().members.front());
    w().power_off(standby);
    ASSERT_TRUE(w().run_until([&] { return sync().members.empty(); }, seconds(10)));
    w().power_on(standby);
    ASSERT_TRUE(
        w().run_until([&] { return old_primary().pg.sync_names == standby.name; }, seconds(10)));
    old_primary().deaf_to_store = true;  // what it writes is done, and it never hears so
    ASSERT_TRUE(w().run_until([&] { return sync().has(standby.name); }, seconds(5)));
    w().run_for(milliseconds(ms));
    w().kill_server(old_primary());
    w().run_for(seconds(1));
    old_primary().deaf_to_store = false;
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(Sync, a_server_started_as_a_standby_while_the_lock_came_back_claims_the_key_first) {
  for (std::int64_t ms = 0; ms < 400; ms += 5) {
    begin_sync(3, 1, true);
    w().kill_agent(old_primary());
    w().kill_server(old_primary());
    w().start_agent(old_primary());
    old_primary().delay = milliseconds(200);
    ASSERT_TRUE(w().run_until([&] { return old_primary().said("reclaim"); }, seconds(10)));
    w().run_for(milliseconds(ms));
    w().deliver(old_primary(), DcsFailed{{Code::unavailable, "no endpoint reachable", ""}});
    w().run_for(seconds(2));
    old_primary().delay = {};
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(Sync, a_failed_promotion_gives_back_no_right_that_an_old_read_told_of) {
  int tried = 0;
  for (std::size_t revisions = 1; revisions < 40; ++revisions) {
    begin_sync(2);
    Node& next = w().node(sync().members.front());
    w().power_off(old_primary());
    ASSERT_TRUE(w().run_until([&] { return next.pg.writable(); }, seconds(20)));
    w().run_for(seconds(1));
    w().kill_agent(next);
    w().kill_server(next);
    next.stale = revisions;  // as if nobody led yet
    next.notes.clear();
    w().start_agent(next);
    if (w().run_until([&] { return next.said("race"); }, seconds(2))) {
      ++tried;
      next.reaches_store = false;
      w().run_for(seconds(2));
      next.stale = 0;
      next.pg.failing_promotions = 1;
      next.reaches_store = true;
    }
    next.stale = 0;
    w().run_for(seconds(1));
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
  EXPECT_GT(tried, 0);
}

// The answer to its claim got lost, and so what `sync` said before: it can give nobody the right
// back, and all others would wait for it (SIMULATION, seed 1002819).
TEST_F(Sync, a_failed_promotion_is_tried_again_soon_where_nobody_else_may_lead) {
  begin_sync(3);
  for (Node* n : w().nodes()) {
    if (n == &old_primary()) continue;
    n->pg.failing_promotions = 4;
    n->lose_replies = 100;
  }
  w().power_off(old_primary());
  const auto taken = [&] { return !w().leader().empty() && w().leader() != old_primary().name; };
  ASSERT_TRUE(w().run_until(taken, seconds(30))) << w().describe();
  for (Node* n : w().nodes()) n->lose_replies = 0;
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(60)))
      << w().describe();
}

// Whom the recorded key allowed when the question went out it may not allow when the answers are
// in: the view has gone on meanwhile, and the lock is taken by the new one.
TEST_F(Sync, a_race_is_judged_by_what_is_known_at_its_end) {
  for (std::int64_t ms = 0; ms < 4000; ms += 100) {
    begin_sync(3);
    Node& former = old_primary();
    Node& second = w().node(sync().members.front());
    Node& third = replica(&replica(0) == &second ? 1 : 0);
    former.watch_stalled = true;  // it last saw its own lock go, and `sync` name itself
    pause_agent(former, seconds(7));
    ASSERT_TRUE(w().run_until([&] { return sync().has(third.name); }, seconds(15)));
    ASSERT_TRUE(w().run_until([&] { return former.pg.answers(); }, seconds(15)));
    w().run_for(seconds(1));
    pause_agent(third, seconds(6));
    w().kill_server(second);
    w().run_for(milliseconds(ms));
    former.watch_stalled = false;
    w().run_for(seconds(3));
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

}  // namespace
}  // namespace aurum::sim
