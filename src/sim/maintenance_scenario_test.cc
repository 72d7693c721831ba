// A pause leaves a server writable without a deadline. Whatever becomes of its agent, nobody leads
// beside it (docs/decisions/0009).

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class Maintenance : public Scenario {
 protected:
  void begin_paused(WorldOptions options = {}) {
    begin(std::move(options));
    w().set_config("pause", true);
    w().run_for(seconds(3));
    ASSERT_EQ(old_primary().page.state, PageState::maintenance);
    pid_ = old_primary().pg.pid;
  }
  /// Its lease ends while the pause is on, and then the pause does.
  void end_lease_and_pause() {
    w().run_for(seconds(15));
    ASSERT_EQ(w().leader(), "");
    w().set_config("pause", false);
  }
  bool nobody_else_leads(Duration span) {
    return !w().run_until([&] { return replica(0).leads() || replica(1).leads(); }, span);
  }
  /// It goes on writing as if nothing had been.
  void expect_unbroken() {
    EXPECT_TRUE(w().run_until_healthy(seconds(20))) << w().describe();
    EXPECT_EQ(w().writer(), &old_primary());
    EXPECT_EQ(old_primary().pg.pid, pid_);
    EXPECT_EQ(timeline(), 1U);
    w().run_for(seconds(2));
    EXPECT_EQ(old_primary().page.state, PageState::leased);
    EXPECT_EQ(w().store.find("aurum_maintenance"), nullptr);
  }

 private:
  int pid_ = 0;
};

TEST_F(Maintenance, a_pause_that_ends_while_the_leaders_agent_is_dead_makes_no_second_writer) {
  begin_paused();
  w().kill_agent(old_primary());
  end_lease_and_pause();
  EXPECT_TRUE(nobody_else_leads(seconds(40))) << w().describe();
  EXPECT_TRUE(old_primary().pg.writable());
  w().start_agent(old_primary());
  expect_unbroken();
}

TEST_F(Maintenance, a_pause_that_ends_while_its_leader_hears_nothing_makes_no_second_writer) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin_paused({.seed = seed});
    old_primary().reaches_store = false;
    end_lease_and_pause();
    EXPECT_TRUE(nobody_else_leads(seconds(40))) << w().describe();
    EXPECT_TRUE(old_primary().pg.writable());
    old_primary().reaches_store = true;
    expect_unbroken();
    TearDown();
  }
}

TEST_F(Maintenance, a_silent_server_found_after_a_pause_is_ended_before_another_leads) {
  begin_paused();
  w().kill_agent(old_primary());
  old_primary().pg.hung = true;
  end_lease_and_pause();
  w().start_agent(old_primary());
  EXPECT_TRUE(w().run_until([&] { return replica(0).leads() || replica(1).leads(); }, seconds(30)))
      << w().describe();
  EXPECT_FALSE(old_primary().pg.alive);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Maintenance, a_leader_that_is_off_for_good_is_replaced_when_an_operator_says_so) {
  begin_paused();
  w().power_off(old_primary());
  end_lease_and_pause();
  EXPECT_TRUE(nobody_else_leads(seconds(40))) << w().describe();
  Node& best = replica(0).pg.wal.end < replica(1).pg.wal.end ? replica(1) : replica(0);
  w().request_failover({.leader = old_primary().name, .candidate = best.name});
  EXPECT_TRUE(nobody_else_leads(seconds(10))) << "a switchover stops the leader first";
  w().request_failover({.candidate = best.name});
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &best; }, seconds(10))) << w().describe();
  w().power_on(old_primary());
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// Asked for before the pause, carried out by a leader that has gone since: it says nothing of this
// one.
TEST_F(Maintenance, a_failover_asked_for_before_the_pause_gives_no_right_in_it) {
  for (const int which : {0, 1}) {
    begin();
    w().request_failover(
        {.candidate = replica(which).name, .scheduled_at = "2099-01-01T00:00:00+00:00"});
    w().set_config("pause", true);
    w().run_for(seconds(3));
    ASSERT_EQ(old_primary().page.state, PageState::maintenance);
    w().kill_agent(old_primary());
    end_lease_and_pause();
    EXPECT_TRUE(nobody_else_leads(seconds(40))) << w().describe();
    w().start_agent(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(Maintenance, a_leader_that_comes_back_without_its_server_lets_the_others_lead) {
  begin_paused();
  w().power_off(old_primary());
  end_lease_and_pause();
  old_primary().pg.failing_starts = 1000;
  w().power_on(old_primary());
  EXPECT_TRUE(w().run_until([&] { return replica(0).leads() || replica(1).leads(); }, seconds(10)))
      << w().describe();
  old_primary().pg.failing_starts = 0;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// A pause is in force when the store has the key of it: before, the page keeps its deadline.
TEST_F(Maintenance, the_page_names_no_deadline_before_the_store_says_so) {
  begin();
  w().set_config("pause", true);
  const auto maintained = [&] { return old_primary().page.state == PageState::maintenance; };
  old_primary().lose_replies = 1;
  ASSERT_TRUE(w().run_until(maintained, seconds(10))) << w().describe();
  const auto* key = w().store.find("aurum_maintenance");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->value, old_primary().name);
}

// Its removal got no answer, and comes true seconds later, in the next pause.
TEST_F(Maintenance, a_late_removal_of_the_key_does_not_undo_the_next_pause) {
  begin_paused();
  old_primary().delay_requests = 2;
  w().set_config("pause", false);
  ASSERT_TRUE(w().run_until([&] { return old_primary().delay_requests == 0; }, seconds(2)));
  w().set_config("pause", true);
  const auto maintained = [&] { return old_primary().page.state == PageState::maintenance; };
  ASSERT_TRUE(w().run_until(maintained, seconds(3))) << w().describe();
  w().run_for(seconds(10));
  EXPECT_TRUE(maintained());
  w().kill_agent(old_primary());
  end_lease_and_pause();
  EXPECT_TRUE(nobody_else_leads(seconds(20))) << w().describe();
  w().start_agent(old_primary());
  expect_unbroken();
}

TEST_F(Maintenance, a_switchover_in_a_pause_moves_the_key_with_the_lock) {
  begin_paused();
  w().request_failover({.leader = old_primary().name, .candidate = replica().name});
  ASSERT_TRUE(w().run_until([&] { return w().writer() == &replica(); }, seconds(15)))
      << w().describe();
  w().run_for(seconds(3));
  const auto* key = w().store.find("aurum_maintenance");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->value, replica().name);
  EXPECT_EQ(replica().page.state, PageState::maintenance);
  EXPECT_EQ(old_primary().page.state, PageState::idle);
}

}  // namespace
}  // namespace aurum::sim
