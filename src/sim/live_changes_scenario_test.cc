// What an operator changes while the cluster runs: pause, slots, reloads, and what callbacks hear.

#include <algorithm>

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

using LiveChanges = Scenario;

long count(const Node& n, const std::string& callback) {
  return std::count(n.callbacks.begin(), n.callbacks.end(), callback);
}

TEST_F(LiveChanges, a_switchover_while_paused_leaves_nobody_behind) {
  begin();
  w().set_config("pause", true);
  w().run_for(seconds(3));
  w().request_failover({.leader = old_primary().name, .candidate = replica().name});
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &replica(); }, seconds(10)))
      << w().describe();
  EXPECT_TRUE(w().run_until_healthy(seconds(20))) << w().describe();
  EXPECT_TRUE(old_primary().pg.alive) << "stopped for the switchover, not for good";
}

TEST_F(LiveChanges, without_use_slots_no_slot_is_left_that_would_hold_wal) {
  begin();
  EXPECT_FALSE(old_primary().pg.slots.empty());
  model::Value postgresql = model::Value::object();
  postgresql.set("use_slots", false);
  w().set_config("postgresql", postgresql);
  const auto no_slots = [&] {
    return std::ranges::all_of(w().nodes(), [](Node* n) { return n->pg.slots.empty(); });
  };
  EXPECT_TRUE(w().run_until(no_slots, seconds(30))) << w().describe();
  EXPECT_TRUE(replica().pg.target.slot_name.empty());
  EXPECT_TRUE(w().run_until_healthy(seconds(10))) << w().describe();
}

// As a standby it looks after its slots once in loop_wait; the former leader needs one now.
TEST_F(LiveChanges, a_new_leader_keeps_wal_for_the_former_one_from_the_beginning) {
  begin();
  w().set_config("loop_wait", 10);
  w().run_for(seconds(25));
  Node& next = replica();
  next.pg.slots.clear();
  ASSERT_TRUE(w().run_until([&] { return !next.pg.slots.empty(); }, seconds(15)));
  w().request_failover({.leader = old_primary().name, .candidate = next.name});
  ASSERT_TRUE(w().run_until([&] { return w().writer() == &next; }, seconds(5))) << w().describe();
  const auto kept = [&] {
    return std::ranges::any_of(next.pg.slots,
                               [&](const auto& slot) { return slot.name == old_primary().name; });
  };
  EXPECT_TRUE(w().run_until(kept, seconds(2))) << w().describe();
}

TEST_F(LiveChanges, a_reload_reaches_the_server_even_when_no_file_has_changed) {
  begin();
  const auto before = count(replica(), "on_reload replica");
  w().deliver(replica(), ConfigReloaded{replica().config});
  w().run_for(seconds(3));
  EXPECT_EQ(count(replica(), "on_reload replica"), before + 1);
  w().run_for(seconds(20));
  EXPECT_EQ(count(replica(), "on_reload replica"), before + 1) << "once";
}

TEST_F(LiveChanges, a_change_during_the_application_of_another_is_applied_as_well) {
  begin();
  Node& n = replica();
  const auto before = count(n, "on_reload replica");
  w().set_config("check_timeline", true);
  const auto applying = [&] {
    return n.core->state().job && std::holds_alternative<Configure>(n.core->state().job->job);
  };
  ASSERT_TRUE(w().run_until(applying, seconds(5)));
  w().set_config("check_timeline", false);
  ASSERT_TRUE(w().run_until([&] { return !n.core->state().dynamic.check_timeline; }, seconds(5)));
  EXPECT_TRUE(
      w().run_until([&] { return count(n, "on_reload replica") == before + 2; }, seconds(20)));
}

TEST_F(LiveChanges, callbacks_hear_of_a_change_of_role_and_of_no_mere_start) {
  begin();
  Node& old = old_primary();
  for (Node* n : w().nodes()) n->callbacks.clear();
  w().request_failover({.leader = old.name, .candidate = replica().name});
  EXPECT_TRUE(w().run_until_healthy(seconds(20))) << w().describe();
  w().run_for(seconds(5));
  EXPECT_EQ(count(old, "on_stop demoted"), 1);
  EXPECT_EQ(count(old, "on_role_change replica"), 1);
  EXPECT_EQ(count(old, "on_start replica"), 0);
  EXPECT_EQ(count(replica(), "on_role_change primary"), 1);
}

TEST_F(LiveChanges, a_restart_asked_for_during_a_reload_waits_for_it) {
  begin();
  Node& n = replica();
  w().deliver(n, ConfigReloaded{n.config});
  w().run_until([&] { return n.core->state().job.has_value(); }, seconds(2));
  ASSERT_TRUE(n.core->state().job.has_value());
  w().request(n, {.id = 41, .what = RestartRequest{}});
  w().request(n, {.id = 42, .what = RestartRequest{}});
  w().run_for(seconds(20));
  ASSERT_EQ(n.replies.size(), 2U);
  for (const Reply& reply : n.replies) EXPECT_EQ(reply.status, reply.request == 41 ? 200 : 503);
}

// Seed 12044: an agent that starts knows only its file's ttl. The lock it takes over hung on a long
// lease, and the page allowed writing for as long; bound to the short one, with the answer lost and
// the agent gone again, it would be free long before the page's deadline.
TEST_F(LiveChanges, a_lock_moved_to_a_shorter_lease_shortens_the_page_first) {
  for (int killed_after_ms = 0; killed_after_ms < 20; ++killed_after_ms) {
    begin({.nodes = 1, .dcs = dcs({{"ttl", 5}})});
    Node& n = old_primary();
    w().set_config("ttl", 30);
    w().run_for(seconds(20));  // the lock hangs on the long lease
    w().kill_agent(n);
    w().run_for(seconds(1));
    n.notes.clear();
    n.reaches_store = false;
    w().start_agent(n);
    w().run_for(seconds(1));
    n.reaches_store = true;
    ASSERT_TRUE(w().run_until([&] { return n.said("reclaim"); }, seconds(5)));
    w().run_for(milliseconds(killed_after_ms));
    w().kill_agent(n);
    w().run_for(seconds(40));
    EXPECT_FALSE(n.pg.alive);
    ASSERT_TRUE(w().violations.empty()) << killed_after_ms << " ms: " << w().violations.front();
  }
}

// Seed 4329 (storm): the move got no answer and landed seconds later, on a lease that nobody had
// kept alive since, while renewals of the old one had moved the deadline on.
TEST_F(LiveChanges, a_late_move_of_the_lock_to_a_shorter_lease_finds_a_page_that_waited_for_it) {
  for (int killed_after_ms = 200; killed_after_ms < 4000; killed_after_ms += 200) {
    begin();
    Node& old = old_primary();
    old.delay_requests = 5;
    w().set_config("ttl", 5);
    const auto moves = [&] { return old.core->state().lead.moving; };
    ASSERT_TRUE(w().run_until(moves, seconds(5)));
    w().run_for(milliseconds(killed_after_ms));
    w().kill_agent(old);
    w().run_for(seconds(15));
    ASSERT_TRUE(w().violations.empty()) << killed_after_ms << " ms: " << w().violations.front();
  }
}

// What a renewal under way says of the former lease is about the past.
TEST_F(LiveChanges, a_lock_that_moves_to_another_lease_is_not_lost_by_a_renewal_of_the_old_one) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    begin({.nodes = 3, .seed = seed});
    Node& n = old_primary();
    const int pid = n.pg.pid;
    n.delay = milliseconds(static_cast<std::int64_t>(seed * 7));
    n.lose_replies = static_cast<int>(seed % 2);
    for (const int ttl : {20, 8, 30, 10}) {
      w().set_config("ttl", ttl);
      w().run_for(seconds(5));
    }
    EXPECT_EQ(w().writer(), &n) << "seed " << seed << "\n" << w().describe();
    EXPECT_EQ(n.pg.pid, pid);
    EXPECT_FALSE(n.said("demote"));
    TearDown();
  }
}

}  // namespace
}  // namespace aurum::sim
