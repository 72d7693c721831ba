// Heartbeats: a leader that stops to beat is followed long before its lease ends, and can not write
// by then. World checks at every event that no two servers write, and that who writes has the lock.

#include <algorithm>

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class Heartbeats : public Scenario {
 protected:
  void begin_beating(const char* profile = "fast", WorldOptions options = {}) {
    options.profile = profile;
    if (options.dcs.is_null()) options.dcs = dcs({{"ttl", 30}});
    begin(std::move(options));
    ASSERT_TRUE(w().run_until([&] { return beats(); }, seconds(5))) << w().describe();
  }
  bool beats() {
    const auto& beat = w().store.view().heartbeat;
    const auto& leader = w().store.view().leader;
    return beat && leader && beat->leader == leader->name &&
           beat->mod_revision > leader->mod_revision;
  }
  bool another_writes() { return w().writer() != nullptr && w().writer() != &old_primary(); }
  Duration until_another_writes(Duration limit = seconds(20)) {
    return seconds_to([&] { return another_writes(); }, limit);
  }
  std::size_t rows_in(Duration span) {
    const auto before = w().acknowledged.size();
    w().run_for(span);
    return w().acknowledged.size() - before;
  }
};

TEST_F(Heartbeats, a_lost_node_is_followed_in_the_time_of_the_profile) {
  for (const auto& [profile, limit] : {std::pair{"fast", 1700}, {"default", 3500}}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      begin_beating(profile, {.seed = seed});
      w().run_for(milliseconds(static_cast<std::int64_t>(37 * seed)));
      w().power_off(old_primary());
      EXPECT_LT(to_ms(until_another_writes()), limit) << profile << ' ' << seed;
      w().power_on(old_primary());
      EXPECT_TRUE(w().run_until_healthy()) << w().describe();
      TearDown();
    }
  }
}

TEST_F(Heartbeats, the_next_leader_tells_where_the_time_went) {
  begin_beating("fast");
  w().run_for(milliseconds(100));
  w().power_off(old_primary());
  const Duration outage = until_another_writes();
  const auto told = [&] { return model::decode_successions(w().store.view().successions); };
  ASSERT_TRUE(w().run_until([&] { return !told().empty(); }, seconds(5))) << w().describe();
  const model::Succession last = told().back();
  EXPECT_EQ(last.from, old_primary().name);
  EXPECT_EQ(last.to, w().writer()->name);
  EXPECT_EQ(last.timeline, timeline());
  EXPECT_EQ(last.why, "no heartbeat of " + old_primary().name + " for 1250 ms");
  EXPECT_EQ(last.others.at(old_primary().name), std::nullopt);
  EXPECT_EQ(last.others.size(), 2U);
  EXPECT_GE(to_ms(last.detect), 1000);
  EXPECT_LT(to_ms(last.total()), to_ms(outage) + 1300) << "from the last heartbeat on";
  EXPECT_GT(to_ms(last.total()), to_ms(outage) - 100);
  EXPECT_EQ(w().writer()->core->state().phases.phases.back().count, 1U);
  // A switchover says so, and both are kept.
  w().power_on(old_primary());
  ASSERT_TRUE(w().run_until_healthy());
  const std::string first = w().writer()->name;
  w().request_failover({.leader = first, .candidate = old_primary().name});
  ASSERT_TRUE(w().run_until([&] { return told().size() == 2; }, seconds(20))) << w().describe();
  EXPECT_EQ(told().back().why, "switchover");
  EXPECT_EQ(told().back().from, first);
}

TEST_F(Heartbeats, a_frozen_node_can_write_nothing_by_then) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin_beating("fast", {.seed = seed, .drifting_clocks = true});
    w().run_for(milliseconds(static_cast<std::int64_t>(41 * seed)));
    w().kill_agent(old_primary());
    EXPECT_LT(to_ms(until_another_writes()), 1700) << seed;
    w().start_agent(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

TEST_F(Heartbeats, who_is_cut_off_from_the_store_alone_stops_in_time) {
  begin_beating();
  old_primary().reaches_store = false;
  EXPECT_LT(to_ms(until_another_writes()), 2500);
  EXPECT_TRUE(w().acknowledged.size() > 10);
  old_primary().reaches_store = true;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(Heartbeats, a_short_outage_of_the_store_is_no_failover) {
  begin_beating("default");
  w().cut_store(true);
  w().run_for(milliseconds(1800));
  w().cut_store(false);
  w().run_for(seconds(10));
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(w().failovers, 0);
}

TEST_F(Heartbeats, F09_with_promises_the_store_may_be_gone_for_ten_minutes) {
  begin_beating("fast", {.dcs = dcs({{"failsafe_mode", true}, {"ttl", 30}})});
  const auto mapped = [&] {
    const auto& map = w().store.view().failsafe;
    return map && map->members.size() == 3;
  };
  ASSERT_TRUE(w().run_until(mapped, seconds(20))) << w().describe();
  w().run_for(seconds(31));  // a former agent's promise
  w().cut_store(true);
  for (int i = 0; i < 600; ++i) ASSERT_GE(rows_in(seconds(1)), 3U) << i << w().describe();
  w().cut_store(false);
  for (int i = 0; i < 20; ++i) ASSERT_GE(rows_in(seconds(1)), 3U) << i << w().describe();
  EXPECT_EQ(w().writer(), &old_primary());
  // And what was promised does not outlast the outage by much.
  w().run_for(seconds(3));
  w().power_off(old_primary());
  EXPECT_LT(to_ms(until_another_writes()), 1700);
}

TEST_F(Heartbeats, an_outage_that_ends_while_the_promises_last_delays_a_failover_for_seconds_only) {
  std::vector<Duration> took;
  for (std::uint64_t seed = 1; seed <= 7; ++seed) {
    begin_beating("fast", {.seed = seed, .dcs = dcs({{"failsafe_mode", true}, {"ttl", 30}})});
    w().run_for(seconds(31));
    w().cut_store(true);
    w().run_for(seconds(20));
    w().cut_store(false);
    w().run_for(milliseconds(400));
    w().power_off(old_primary());
    took.push_back(until_another_writes());
    EXPECT_LT(took.back(), seconds(5));
    TearDown();
  }
  // The last round was at the very end of the outage in one or the other.
  std::ranges::sort(took);
  EXPECT_LT(took[took.size() / 2], seconds(3));
}

TEST_F(Heartbeats, who_takes_over_counts_from_when_it_heard_of_the_last_one) {
  begin_beating("fast");
  // Nobody else hears of anything for a while; then all at once.
  for (Node* n : w().nodes())
    if (n != &old_primary()) n->watch_stalled = true;
  w().run_for(seconds(20));
  for (Node* n : w().nodes()) n->watch_stalled = false;
  w().run_for(seconds(10));
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(w().failovers, 0);
}

TEST_F(Heartbeats, a_leader_that_beats_keeps_the_lock_though_nobody_else_reaches_it) {
  begin_beating("fast");
  for (Node* n : w().nodes())
    if (n != &old_primary()) w().cut_between(old_primary(), *n);
  w().run_for(seconds(60));
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(w().failovers, 0);
}

TEST_F(Heartbeats, who_hears_neither_of_the_store_nor_of_the_leader_takes_nothing) {
  begin_beating("fast");
  for (Node* n : w().nodes()) {
    if (n == &old_primary()) continue;
    n->watch_stalled = true;
    w().cut_between(old_primary(), *n);
  }
  w().run_for(seconds(60));
  EXPECT_TRUE(replica().said("race") || replica(1).said("race")) << w().describe();
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(w().failovers, 0);
}

TEST_F(Heartbeats, in_a_pause_there_are_none_and_nobody_takes_over) {
  begin_beating();
  w().set_config("pause", true);
  ASSERT_TRUE(w().run_until([&] { return !beats(); }, seconds(5))) << w().describe();
  ASSERT_TRUE(w().run_until([&] { return old_primary().page.state == PageState::maintenance; },
                            seconds(5)));
  w().cut_store(true);
  w().run_for(seconds(8));
  EXPECT_TRUE(old_primary().leads()) << "the lease lasts longer";
  w().cut_store(false);
  w().kill_agent(old_primary());
  w().run_for(seconds(60));
  EXPECT_FALSE(another_writes());
  w().start_agent(old_primary());
  w().set_config("pause", false);
  EXPECT_TRUE(w().run_until([&] { return beats(); }, seconds(10))) << w().describe();
}

TEST_F(Heartbeats, beside_a_patroni_the_lease_alone_counts) {
  begin_beating();
  model::Member patroni;
  patroni.name = "p1";
  patroni.conn_url = "postgres://10.0.0.9:5432/postgres";
  patroni.version = "3.0.2";
  w().store.put("members/p1", model::encode_member(patroni));
  ASSERT_TRUE(w().run_until([&] { return !beats(); }, seconds(5))) << w().describe();
  w().run_for(seconds(5));
  EXPECT_FALSE(w().store.view().heartbeat);
  w().cut_store(true);
  w().run_for(seconds(8));
  EXPECT_EQ(w().writer(), &old_primary()) << "its lease lasts longer";
  w().cut_store(false);
  w().run_for(seconds(2));
  w().store.put_off("members/p1");
  EXPECT_TRUE(w().run_until([&] { return beats(); }, seconds(5))) << w().describe();
  EXPECT_EQ(w().failovers, 0);
}

// From quick to slow ones in one epoch: a late one of the quick ones would be taken over by while
// the slow ones allow more. It comes right after the last of the slow ones.
TEST_F(Heartbeats, a_late_heartbeat_of_another_rate_lets_nobody_take_over) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    begin_beating("fast", {.seed = seed});
    const auto epoch = [&] { return old_primary().core->state().lead.epoch; };
    const auto before = epoch();
    old_primary().delay_requests = 1;
    ASSERT_TRUE(w().run_until([&] { return old_primary().delay_requests == 0; }, seconds(5)));
    model::LocalConfig other = old_primary().config;
    other.aurum.profile = "default";
    w().deliver(old_primary(), ConfigReloaded{other});
    ASSERT_TRUE(w().run_until([&] { return epoch() != before && beats(); }, seconds(3)));
    w().run_for(milliseconds(500));
    ASSERT_TRUE(beats());
    w().run_for(seconds(3));
    w().kill_agent(old_primary());
    EXPECT_GT(to_ms(until_another_writes()), 2400);
    TearDown();
  }
}

// The write that takes the lock anew gets no answer, and the former rate is wanted again: the lock
// may be of either epoch, so it is taken once more.
TEST_F(Heartbeats, a_change_that_is_taken_back_before_its_answer_costs_no_leadership) {
  begin_beating("default");
  model::LocalConfig other = old_primary().config;
  other.aurum.profile = "fast";
  old_primary().lose_replies = 1;
  w().deliver(old_primary(), ConfigReloaded{other});
  const auto moving = [&] { return old_primary().core->state().lead.moving; };
  ASSERT_TRUE(w().run_until([&] { return moving(); }, seconds(2))) << w().describe();
  w().deliver(old_primary(), ConfigReloaded{old_primary().config});
  ASSERT_TRUE(w().run_until([&] { return !moving() && beats(); }, seconds(10))) << w().describe();
  w().run_for(seconds(10));
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(w().failovers, 0);
  EXPECT_FALSE(old_primary().said("demote"));
}

// The whole cluster was down, and comes back without a profile: its leader beats no more, and its
// last heartbeat of before is in the store for good.
TEST_F(Heartbeats, of_a_former_leadership_say_nothing_of_the_present_one) {
  begin_beating("fast");
  for (Node* n : w().nodes()) {
    w().power_off(*n);
    n->config.aurum.profile.clear();
  }
  w().run_for(seconds(60));
  ASSERT_EQ(w().leader(), "");
  w().power_on(old_primary());
  ASSERT_TRUE(w().run_until([&] { return old_primary().leads(); }, seconds(60))) << w().describe();
  for (Node* n : w().nodes())
    if (!n->up) w().power_on(*n);
  ASSERT_TRUE(w().run_until_healthy()) << w().describe();
  ASSERT_EQ(w().writer(), &old_primary());
  ASSERT_TRUE(w().store.view().heartbeat);
  ASSERT_EQ(w().store.view().heartbeat->leader, old_primary().name);
  // Whoever asked it would be told that it leads.
  for (int i = 0; i < 2; ++i) w().cut_between(old_primary(), replica(i));
  w().run_for(seconds(60));
  EXPECT_EQ(w().writer(), &old_primary());
  EXPECT_EQ(w().failovers, 0);
}

TEST_F(Heartbeats, a_switchover_hands_over_at_once) {
  begin_beating("default");
  w().request_failover({.leader = old_primary().name, .candidate = replica().name});
  EXPECT_LT(to_ms(until_another_writes()), 1500);
  EXPECT_TRUE(w().run_until_healthy());
  EXPECT_TRUE(w().run_until([&] { return beats(); }, seconds(5)));
}

TEST_F(Heartbeats, a_restarted_agent_goes_on_under_an_epoch_of_its_own) {
  begin_beating("default");
  const auto before = w().store.view().leader->mod_revision;
  w().kill_agent(old_primary());
  w().run_for(milliseconds(800));
  w().start_agent(old_primary());
  ASSERT_TRUE(w().run_until([&] { return beats() && old_primary().leads(); }, seconds(5)));
  EXPECT_GT(w().store.view().leader->mod_revision, before);
  w().run_for(seconds(10));
  EXPECT_EQ(w().failovers, 0);
  EXPECT_EQ(w().writer(), &old_primary());
}

// The lease ends in the store while beats go on: anybody may create the key.
TEST_F(Heartbeats, they_allow_no_more_than_the_lease_does) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    begin_beating("default", {.seed = seed, .dcs = dcs({{"ttl", 5}})});
    Node& n = old_primary();
    n.keepalives_lost = true;
    w().run_for(seconds(1));
    const Instant lease_ends = n.lease_kept.at(n.core->state().lead.lease) + seconds(5);
    w().run_for(lease_ends - milliseconds(150) - (w().now() + n.clock_ahead));
    for (Node* other : w().nodes())
      if (other != &n) w().cut_between(n, *other);
    n.reaches_store = false;  // it is not told that its key is gone
    EXPECT_LT(to_ms(until_another_writes()), 2000);
    w().run_for(seconds(5));  // one_writer judges
    TearDown();
  }
}

TEST_F(Heartbeats, without_an_eligible_replica_the_leader_comes_back_by_itself) {
  begin_beating("fast", {.nodes = 1});
  w().cut_store(true);
  w().run_for(seconds(4));
  EXPECT_EQ(w().writer(), nullptr);
  w().cut_store(false);
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &old_primary(); }, seconds(15)))
      << w().describe();
}

}  // namespace
}  // namespace aurum::sim
