// What the store and the way to it did to systems like this one (docs/FAILURES.md).

#include <algorithm>

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class StoreFailures : public Scenario {
 protected:
  bool moved() { return w().writer() != nullptr && w().writer() != &old_primary(); }
};

TEST_F(StoreFailures, F03_an_answer_from_the_past_is_not_believed) {
  begin();
  const auto past = std::make_shared<const model::ClusterView>(w().store.view());
  w().request_failover({.leader = old_primary().name, .candidate = replica(0).name});
  ASSERT_TRUE(w().run_until([&] { return moved(); }, seconds(10)));
  ASSERT_TRUE(w().run_until_healthy());
  Node& leader = *w().writer();
  const auto epoch = leader.core->state().lead.epoch;
  for (int i = 0; i < 5; ++i) {
    for (Node* n : w().nodes()) {
      w().deliver(*n, DcsSnapshot{past, n->core->state().view_at + seconds(1)});
      w().run_for(milliseconds(50));
      EXPECT_EQ(n->core->state().view->leader_name(), leader.name);
    }
  }
  EXPECT_TRUE(w().healthy()) << w().describe();
  EXPECT_EQ(leader.core->state().lead.epoch, epoch);
}

TEST_F(StoreFailures, F05_a_renewal_that_says_ok_for_a_lease_that_is_gone_ends_leadership) {
  begin();
  for (Node* n : w().nodes()) n->keepalive_lies = true;
  w().expire_lease(old_primary());
  EXPECT_TRUE(w().run_until([&] { return !old_primary().pg.writable(); }, seconds(2)))
      << w().describe();
  EXPECT_TRUE(w().run_until([&] { return moved(); }, seconds(10))) << w().describe();
  for (Node* n : w().nodes()) n->keepalive_lies = false;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// Seed 200879: it asked for the lock with a lease that was gone until the next keepalive was due.
TEST_F(StoreFailures, a_write_refused_for_its_lease_brings_a_new_one_at_once) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin({.nodes = 1, .seed = seed, .dcs = dcs({{"ttl", 60}})});
    w().run_for(milliseconds(1400) * static_cast<std::int64_t>(seed));
    w().expire_lease(old_primary());
    ASSERT_TRUE(w().run_until([&] { return w().writer() == nullptr; }, seconds(5)));
    EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(5)))
        << w().describe();
    TearDown();
  }
}

TEST_F(StoreFailures, F07_a_watch_that_says_nothing_for_seconds_leads_to_nothing_wrong) {
  for (const bool leader_too : {false, true}) {
    begin();
    replica(0).watch_stalled = true;
    old_primary().watch_stalled = leader_too;
    w().request_failover({.leader = old_primary().name, .candidate = replica(1).name});
    w().run_for(seconds(4));
    EXPECT_EQ(w().writer(), leader_too ? &old_primary() : &replica(1)) << w().describe();
    w().power_off(*w().writer());
    w().run_for(seconds(5));  // then the silence is noticed, and the store is read anew
    for (Node* n : w().nodes()) n->watch_stalled = false;
    EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(15)))
        << w().describe();
    for (Node* n : w().nodes()) {
      if (!n->up) w().power_on(*n);
    }
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

// Seed 546 (storm): the answer for a lock that was moved to another lease came after that lock was
// released, and was taken for a leadership.
TEST_F(StoreFailures, an_answer_for_the_lock_that_comes_after_its_release_gives_no_leadership) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    begin({.nodes = 3, .seed = seed});
    Node& old = old_primary();
    const auto moving = [&] {
      const auto& pending = old.core->state().pending;
      return std::ranges::any_of(pending,
                                 [](const auto& p) { return p.second.what == "reclaim leader"; });
    };
    old.delay = milliseconds(900);
    w().set_config("ttl", 20);
    ASSERT_TRUE(w().run_until(moving, seconds(10)));
    w().request_failover({.leader = old.name});
    w().run_for(seconds(20));
    ASSERT_TRUE(w().violations.empty()) << "seed " << seed << ": " << w().violations.front();
  }
}

TEST_F(StoreFailures, F08_only_a_rejection_ends_leadership_before_its_deadline) {
  for (const Code code : {Code::invalid, Code::not_found, Code::exists, Code::unavailable,
                          Code::unknown_outcome, Code::permission, Code::timeout, Code::io,
                          Code::protocol, Code::cancelled, Code::internal}) {
    begin();
    const int pid = old_primary().pg.pid;
    const auto epoch = old_primary().core->state().lead.epoch;
    for (int i = 0; i < 20; ++i) {
      w().deliver(old_primary(), DcsFailed{{code, "etcdserver: no leader", ""}});
      for (const auto& [id, pending] : old_primary().core->state().pending)
        w().deliver(old_primary(), DcsWritten{id, fail(code, "etcdserver: no leader")});
      w().run_for(milliseconds(100));
    }
    EXPECT_EQ(old_primary().pg.pid, pid) << to_string(code);
    EXPECT_EQ(old_primary().core->state().lead.epoch, epoch) << to_string(code);
    EXPECT_TRUE(old_primary().pg.writable()) << to_string(code);
    TearDown();
  }
}

TEST_F(StoreFailures, F13_seconds_without_the_store_demote_nobody) {
  for (const std::int64_t gone : {1, 3, 5}) {
    begin();
    const int pid = old_primary().pg.pid;
    const auto rows = w().acknowledged.size();
    w().cut_store(true);
    w().run_for(seconds(gone));
    w().cut_store(false);
    w().run_for(seconds(10));
    EXPECT_EQ(w().writer(), &old_primary());
    EXPECT_EQ(old_primary().pg.pid, pid);
    EXPECT_GE(w().acknowledged.size(), rows + static_cast<std::size_t>(gone * 18));
    TearDown();
  }
}

// A deadline that counted from the answer would outlive the lease (the rule `lock`).
TEST_F(StoreFailures, F15_a_leader_that_dies_right_after_a_slow_answer_is_fenced_in_time) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    begin({.nodes = 2, .seed = seed, .dcs = dcs({{"ttl", 5}, {"loop_wait", 1}})});
    Node& n = replica();
    w().power_off(old_primary());
    w().run_for(seconds(3));
    n.reaches_store = false;
    w().run_for(seconds(3));
    n.reaches_store = true;
    n.delay = milliseconds(1400);
    const auto kept = [&] { return n.core->state().lease_sent_at; };
    w().run_until([&, before = kept()] { return kept() != before; }, seconds(5));
    n.delay = {};
    ASSERT_TRUE(w().run_until([&] { return n.leads(); }, seconds(30))) << w().describe();
    n.reaches_store = false;  // nor does its first renewal arrive
    w().kill_agent(n);
    w().run_for(seconds(10));
    EXPECT_FALSE(n.pg.writable());
    TearDown();
  }
}

TEST_F(StoreFailures, F27_a_request_for_the_lock_that_arrives_late_takes_it_from_nobody) {
  int stood = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin({.nodes = 3, .seed = seed});
    replica(1).watch_stalled = true;  // it stands a little later
    w().power_off(old_primary());
    ASSERT_TRUE(w().run_until([&] { return w().leader().empty(); }, seconds(20)));
    replica(0).delay_requests = 3;
    const auto stands = [&] {
      return std::ranges::any_of(replica(0).core->state().pending,
                                 [](const auto& p) { return p.second.what == "acquire leader"; });
    };
    if (w().run_until(stands, seconds(3))) ++stood;  // else the other one has more WAL
    replica(1).watch_stalled = false;
    ASSERT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)));
    const Node* winner = w().writer();
    w().run_for(seconds(8));
    EXPECT_EQ(w().writer(), winner) << w().describe();
    TearDown();
  }
  EXPECT_GT(stood, 2);
}

TEST_F(StoreFailures, F22_a_standby_enters_the_key_with_every_row_or_not_at_all) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    begin({.nodes = 2, .seed = seed});
    w().set_config("synchronous_mode", true);
    ASSERT_TRUE(
        w().run_until([&] { return w().store.view().sync.has(replica().name); }, seconds(20)));
    w().power_off(old_primary());
    ASSERT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)));
    TearDown();
  }
}

/// A new leader of the store gives every lease its full time again: locks outlive the outage.
TEST_F(StoreFailures, F22_a_standby_that_takes_its_lock_back_promises_no_other_standby) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    begin({.nodes = 3, .seed = seed, .dcs = dcs({{"synchronous_mode", true}})});
    const auto& sync = [&]() -> const model::SyncKey& { return w().store.view().sync; };
    ASSERT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(10)));
    w().store.lose_leader();
    w().run_for(seconds(20));
    EXPECT_EQ(w().writer(), nullptr);
    w().store.elect_leader(w().now());
    EXPECT_EQ(w().leader(), old_primary().name);
    EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)))
        << w().describe();
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(StoreFailures, F18_a_new_leader_needs_no_commit_to_change_whom_it_waits_for) {
  for (const bool strict : {false, true}) {
    begin({.nodes = 4,
           .seed = 2,
           .dcs = dcs({{"synchronous_mode", true}, {"synchronous_mode_strict", strict}})});
    const auto& sync = [&]() -> const model::SyncKey& { return w().store.view().sync; };
    ASSERT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(10)));
    Node& standby = w().node(sync().members.front());
    // Nobody streams from the winner for a while: whatever it waited for would never come.
    for (Node* n : w().nodes()) {
      if (n != &standby) w().cut_between(*n, standby);
    }
    w().power_off(old_primary());
    ASSERT_TRUE(w().run_until([&] { return w().writer() == &standby; }, seconds(20)))
        << w().describe();
    w().run_for(seconds(5));
    EXPECT_EQ(sync().leader, standby.name);
    EXPECT_TRUE(sync().members.empty());
    for (Node* n : w().nodes()) n->mute_to = 0;
    EXPECT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(30)))
        << w().describe();
    const auto rows = w().acknowledged.size();
    w().run_for(seconds(2));
    EXPECT_GT(w().acknowledged.size(), rows);
    TearDown();
  }
}

TEST_F(StoreFailures, F51_a_cut_between_primary_and_its_standby_alone_stops_writes_for_seconds) {
  for (const bool strict : {false, true}) {
    begin({.nodes = 3,
           .seed = 4,
           .dcs = dcs({{"synchronous_mode", true}, {"synchronous_mode_strict", strict}})});
    const auto& sync = [&]() -> const model::SyncKey& { return w().store.view().sync; };
    ASSERT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(10)));
    const std::string standby = sync().members.front();
    w().cut_between(old_primary(), w().node(standby));
    EXPECT_TRUE(w().run_until([&] { return sync().members.size() == 1 && !sync().has(standby); },
                              seconds(10)))
        << w().describe();
    const auto rows = w().acknowledged.size();
    w().run_for(seconds(2));
    EXPECT_GT(w().acknowledged.size(), rows);
    EXPECT_EQ(w().writer(), &old_primary());
    for (Node* n : w().nodes()) n->mute_to = 0;
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

// As after a late write of its former agent, by a lease that ends then.
TEST_F(StoreFailures, a_member_whose_key_is_gone_writes_it_anew) {
  begin();
  for (Node* n : {&old_primary(), &replica()}) {
    w().store.put_off("members/" + n->name);
    EXPECT_TRUE(
        w().run_until([&] { return w().store.view().member(n->name) != nullptr; }, seconds(1)))
        << w().describe();
  }
  w().run_for(seconds(5));
}

}  // namespace
}  // namespace aurum::sim
