// Failsafe mode: the leader goes on without the store as long as every member of the map promises
// to wait. World checks at every event that no two servers write.

#include <algorithm>

#include "sim/testing/failsafe.h"

namespace aurum::sim {
namespace {

class Failsafe : public FailsafeScenario {
 protected:
  /// The members' promises last for a while yet when it is over.
  void live_through_outage() {
    w().cut_store(true);
    EXPECT_TRUE(writes_on(seconds(40)));
    w().cut_store(false);
    const auto back = [&] {
      return w().leader() == old_primary().name && w().store.view().members.size() == 3;
    };
    ASSERT_TRUE(w().run_until(back, seconds(10))) << w().describe();
    w().run_for(milliseconds(100));
  }
};

TEST_F(Failsafe, F09_the_store_is_gone_for_ten_minutes_and_every_second_has_its_writes) {
  begin_failsafe();
  w().cut_store(true);
  EXPECT_TRUE(writes_on(seconds(600))) << w().describe();
  EXPECT_TRUE(old_primary().said("failsafe"));
  EXPECT_TRUE(old_primary().core->in_failsafe());
  EXPECT_TRUE(replica().core->in_failsafe());
  w().cut_store(false);
  EXPECT_TRUE(writes_on(seconds(30))) << w().describe();
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(w().leader(), old_primary().name);
  EXPECT_FALSE(old_primary().core->in_failsafe());
}

TEST_F(Failsafe, slow_links_are_given_their_time) {
  begin_failsafe();
  for (Node* n : w().nodes()) n->delay = milliseconds(800);
  w().cut_store(true);
  EXPECT_TRUE(writes_on(seconds(60))) << w().describe();
}

TEST_F(Failsafe, with_one_member_out_of_reach_nobody_writes_past_the_lease) {
  begin_failsafe();
  w().cut_store(true);
  w().cut_between(old_primary(), replica());
  w().run_for(seconds(12));
  EXPECT_EQ(w().writer(), nullptr) << w().describe();
  w().cut_store(false);
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(30)))
      << w().describe();
}

TEST_F(Failsafe, F11_outage_switchover_outage) {
  begin_failsafe();
  live_through_outage();
  w().request_failover({.leader = old_primary().name, .candidate = replica().name});
  // At once, though the candidate's promise would last for seconds yet.
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &replica(); }, seconds(4)))
      << w().describe();
  w().run_for(seconds(8));
  // The former leader's release ends no promise to the present one.
  replica().reaches_store = false;
  EXPECT_TRUE(writes_on(seconds(60))) << w().describe();
  EXPECT_EQ(w().writer(), &replica());
}

// The lock of the one who was promised to was released: whatever becomes of the next leader.
TEST_F(Failsafe, a_promise_is_over_for_good_once_its_leader_has_let_go) {
  for (const bool same : {true, false}) {
    begin({.nodes = 3, .profile = "patroni", .dcs = dcs({{"failsafe_mode", true}, {"ttl", 30}})});
    ASSERT_TRUE(w().run_until([&] { return mapped() == 3; }, seconds(30))) << w().describe();
    w().run_for(seconds(2));
    live_through_outage();
    w().request_failover({.leader = old_primary().name, .candidate = replica().name});
    ASSERT_TRUE(w().run_until([&] { return w().leader() == replica().name; }, seconds(4)))
        << w().describe();
    // It loses the lock at once, and it or another one takes it.
    w().power_off(old_primary());
    w().power_off(replica(same ? 1 : 0));
    w().store.put_off("leader");
    w().run_for(milliseconds(50));
    EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(8)))
        << same << w().describe();
    TearDown();
  }
}

TEST_F(Failsafe, a_leader_cut_off_from_the_store_alone_goes_on_and_nobody_takes_over) {
  begin_failsafe();
  old_primary().reaches_store = false;
  EXPECT_TRUE(writes_on(seconds(60))) << w().describe();
  EXPECT_EQ(w().leader(), "") << "its lease has run out";
  old_primary().reaches_store = true;
  EXPECT_TRUE(w().run_until([&] { return w().leader() == old_primary().name; }, seconds(10)))
      << w().describe();
  EXPECT_TRUE(writes_on(seconds(20)));
}

TEST_F(Failsafe, a_leader_that_dies_without_the_store_is_followed_when_the_promises_have_run_out) {
  begin_failsafe();
  old_primary().reaches_store = false;
  EXPECT_TRUE(writes_on(seconds(30)));
  w().power_off(old_primary());
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)))
      << w().describe();
  w().power_on(old_primary());
  old_primary().reaches_store = true;
  EXPECT_TRUE(w().run_until_healthy());
}

// Right after a round of promises, of which each way took as long as it may, the leader's agent is
// killed. Whoever takes over does it the moment the promises end.
TEST_F(Failsafe, the_time_that_is_won_ends_before_the_promises_do) {
  for (const auto& [ttl, delay] : {std::pair{10, milliseconds(1100)}, {30, milliseconds(0)}}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      begin({.nodes = 3, .seed = seed, .dcs = dcs({{"failsafe_mode", true}, {"ttl", ttl}})});
      ASSERT_TRUE(w().run_until([&] { return mapped() == 3; }, seconds(20)));
      w().run_for(seconds(2));
      for (Node* n : w().nodes()) n->delay = delay;
      old_primary().reaches_store = false;
      EXPECT_TRUE(writes_on(seconds(2 * ttl))) << w().describe();
      const auto until = [&] { return old_primary().core->state().lead.consent.until; };
      const Instant before = until();
      ASSERT_TRUE(w().run_until([&] { return until() > before; }, seconds(2 * ttl)));
      for (Node* n : w().nodes()) {
        n->delay = {};
        if (n != &old_primary()) w().cut_between(old_primary(), *n);
      }
      w().kill_agent(old_primary());  // nobody stops the server but its guard
      const auto other = [&] { return w().writer() != nullptr && w().writer() != &old_primary(); };
      ASSERT_TRUE(w().run_until(other, seconds(ttl + 20))) << w().describe();  // one_writer judges
      EXPECT_NE(w().writer(), nullptr) << w().describe();
      TearDown();
    }
  }
}

TEST_F(Failsafe, a_restarted_agent_does_not_forget_what_it_may_have_promised) {
  begin_failsafe();
  old_primary().reaches_store = false;
  EXPECT_TRUE(writes_on(seconds(30)));
  // Just promised; now the leader reaches nobody any more, and lives on by the promises.
  const auto round = [&] { return old_primary().core->state().lead.consent.until; };
  const Instant before = round();
  ASSERT_TRUE(w().run_until([&] { return round() > before; }, seconds(20)));
  for (Node* n : w().nodes())
    if (n != &old_primary()) {
      w().cut_between(old_primary(), *n);
      w().kill_agent(*n);
      w().start_agent(*n);
    }
  w().run_for(seconds(20));  // one_writer judges
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(30)))
      << w().describe();
}

TEST_F(Failsafe, restarted_agents_take_over_at_once_from_a_leader_that_ends_itself) {
  begin_failsafe();
  for (int i = 0; i < 2; ++i) {
    w().kill_agent(replica(i));
    w().start_agent(replica(i));
  }
  w().run_for(seconds(1));
  w().request_failover({.leader = old_primary().name, .candidate = replica().name});
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &replica(); }, seconds(4)))
      << w().describe();
}

TEST_F(Failsafe, a_restarted_agent_takes_the_lock_at_once_where_everybody_follows) {
  begin_failsafe();
  w().power_off(old_primary());
  w().run_for(seconds(1));
  w().power_on(old_primary());  // its server stands still: it can not say yet that it follows
  w().kill_agent(replica());
  w().start_agent(replica());
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(40)))
      << w().describe();
}

TEST_F(Failsafe, a_member_outside_the_map_was_not_asked_and_does_not_stand) {
  begin_failsafe(4);
  Node& late = replica(2);
  w().power_off(late);
  ASSERT_TRUE(w().run_until([&] { return mapped() == 3; }, seconds(40))) << w().describe();
  // It comes back in the moment in which the leader can change no map any more.
  old_primary().reaches_store = false;
  cut_off(late);  // nobody tells it how far the others are
  w().power_on(late);
  EXPECT_TRUE(writes_on(seconds(60))) << w().describe();
  EXPECT_FALSE(late.leads());
  cut_off(late, false);
  old_primary().reaches_store = true;
  EXPECT_TRUE(w().run_until([&] { return mapped() == 4; }, seconds(30))) << w().describe();
}

TEST_F(Failsafe, a_map_under_way_adds_to_those_who_are_asked) {
  begin_failsafe(4);
  Node& late = replica(2);
  w().power_off(late);
  ASSERT_TRUE(w().run_until([&] { return mapped() == 3; }, seconds(40))) << w().describe();
  // The map that names it again is written, and nobody tells the leader.
  w().power_on(late);
  const auto seen = [&] { return old_primary().core->state().view->member(late.name) != nullptr; };
  ASSERT_TRUE(w().run_until(seen, seconds(20)));
  old_primary().watch_stalled = old_primary().deaf_to_store = true;
  cut_off(late);
  ASSERT_TRUE(w().run_until([&] { return mapped() == 4; }, seconds(1)));
  w().run_for(seconds(1));
  old_primary().reaches_store = false;
  w().run_for(seconds(60));  // one_writer judges
}

TEST_F(Failsafe, the_mode_is_switched_off_and_its_map_goes) {
  begin_failsafe();
  w().set_config("failsafe_mode", false);
  EXPECT_TRUE(w().run_until([&] { return !w().store.view().failsafe; }, seconds(20)))
      << w().describe();
  w().cut_store(true);
  w().run_for(seconds(12));
  EXPECT_EQ(w().writer(), nullptr);
}

TEST_F(Failsafe, a_server_that_crashes_meanwhile_is_started_again_in_its_place) {
  begin_failsafe();
  w().cut_store(true);
  EXPECT_TRUE(writes_on(seconds(20)));
  w().kill_server(old_primary());
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &old_primary(); }, seconds(10)))
      << w().describe();
  EXPECT_TRUE(writes_on(seconds(30)));
}

TEST_F(Failsafe, a_leader_alone_in_its_map_needs_nobody) {
  begin_failsafe(1);
  w().cut_store(true);
  EXPECT_TRUE(writes_on(seconds(60))) << w().describe();
}

// An operator restarts its server as a standby in an outage, by hand. Whoever asks it then is told
// that it follows, and an agent that does not know any more what it has promised leads by that.
TEST_F(Failsafe, nobody_is_promoted_by_promises) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin_failsafe({.seed = seed, .profile = "fast", .dcs = dcs({{"failsafe_mode", true}})});
    w().run_for(seconds(31));
    old_primary().reaches_store = false;
    EXPECT_TRUE(writes_on(seconds(3)));
    const auto round = [&] { return old_primary().core->state().lead.consent.until; };
    const Instant last = round();
    ASSERT_TRUE(w().run_until([&] { return round() > last; }, seconds(3)));
    w().kill_agent(replica());
    w().start_agent(replica());
    w().run_for(milliseconds(900));
    Postgres& pg = old_primary().pg;
    pg.start(model::PgTarget{}, pg.pid + 1000, "by hand");
    // That one has asked; the next question to it, whether it promises, does not arrive.
    w().run_for(milliseconds(150));
    old_primary().mute_to |= 1u << replica().index;
    EXPECT_TRUE(w().run_until([&] { return replica().pg.writable(); }, seconds(1)));
    w().run_for(seconds(2));  // one_writer judges
    TearDown();
  }
}

TEST_F(Failsafe, a_restarted_leader_has_no_consent_before_the_store_answers) {
  begin_failsafe();
  w().cut_store(true);
  EXPECT_TRUE(writes_on(seconds(30)));
  w().kill_agent(old_primary());
  w().start_agent(old_primary());
  w().run_for(seconds(12));
  EXPECT_EQ(w().writer(), nullptr);
  w().cut_store(false);
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(30)))
      << w().describe();
}

}  // namespace
}  // namespace aurum::sim
