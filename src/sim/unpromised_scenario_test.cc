// Failsafe mode: an agent that was started a moment ago, and the leader's word that it lives by no
// promise of a former agent. World checks at every event that no two servers write.

#include <algorithm>

#include "sim/testing/failsafe.h"

namespace aurum::sim {
namespace {

class Unpromised : public FailsafeScenario {
 protected:
  void restart_agents_of_replicas() {
    for (Node* n : w().nodes()) {
      if (n == &old_primary()) continue;
      w().kill_agent(*n);
      w().start_agent(*n);
    }
  }
  bool replicas_are_free() {
    return std::ranges::all_of(w().nodes(), [&](const Node* n) {
      return n == &old_primary() || (n->core && n->core->state().freed);
    });
  }
  bool leader_knows_agents() {
    const auto& known = *old_primary().core->state().view;
    return std::ranges::all_of(w().nodes(), [&](const Node* n) {
      const auto* member = known.member(n->name);
      return n == &old_primary() ||
             (n->lease != 0 && member != nullptr && member->lease == n->lease);
    });
  }
  /// Nobody stops the server but its guard; somebody else leads sooner or later, which one_writer
  /// judges.
  void judge() {
    w().kill_agent(old_primary());
    const auto other = [&] { return w().writer() != nullptr && w().writer() != &old_primary(); };
    ASSERT_TRUE(w().run_until(other, seconds(60))) << w().describe();
  }
  Instant consent() { return old_primary().core->state().lead.consent.until; }
};

TEST_F(Unpromised, agents_follow_a_lost_leader_as_soon_as_any) {
  for (const char* profile : {"default", "fast"}) {
    begin_failsafe(
        {.nodes = 3, .profile = profile, .dcs = dcs({{"failsafe_mode", true}, {"ttl", 30}})});
    w().run_for(seconds(60));
    restart_agents_of_replicas();
    ASSERT_TRUE(w().run_until([&] { return replicas_are_free(); }, seconds(2))) << w().describe();
    w().power_off(old_primary());
    const auto other = [&] { return w().writer() != nullptr; };
    EXPECT_TRUE(w().run_until(other, seconds(5))) << profile << w().describe();
    TearDown();
  }
}

TEST_F(Unpromised, is_told_anew_of_each_agent_and_not_for_nothing) {
  begin_failsafe();
  w().run_for(seconds(30));
  const auto told = w().store.view().unpromised;
  EXPECT_GT(told, 0);
  w().run_for(seconds(60));
  EXPECT_EQ(w().store.view().unpromised, told);
  // Its word came to the store, and its answer is lost: a word too many does no harm.
  old_primary().lose_replies = 100;
  restart_agents_of_replicas();
  w().run_for(seconds(3));
  old_primary().lose_replies = 0;
  EXPECT_TRUE(w().run_until([&] { return replicas_are_free(); }, seconds(5))) << w().describe();
}

// The word of before is in the store when they read it first.
TEST_F(Unpromised, agents_are_none_by_what_was_told_of_former_ones) {
  begin_failsafe();
  w().run_for(seconds(30));
  old_primary().reaches_store = false;
  restart_agents_of_replicas();
  w().run_for(seconds(3));
  EXPECT_FALSE(replica(0).core->state().freed);
  EXPECT_FALSE(replica(1).core->state().freed);
}

// What they read first is from before that word; they see it later, as if it were new.
TEST_F(Unpromised, agents_are_none_by_an_old_word_that_a_lagging_member_of_the_store_tells_late) {
  begin_failsafe();
  const auto before = w().store.revision();
  w().run_for(seconds(30));
  restart_agents_of_replicas();
  ASSERT_TRUE(w().run_until([&] { return replicas_are_free(); }, seconds(3))) << w().describe();
  w().run_for(seconds(30));
  old_primary().reaches_store = false;
  w().run_for(seconds(8));  // they promise
  for (Node* n : w().nodes())
    if (n != &old_primary()) n->stale = static_cast<std::size_t>(w().store.revision() - before);
  restart_agents_of_replicas();
  w().run_for(milliseconds(300));
  for (Node* n : w().nodes()) n->stale = 0;
  w().run_for(seconds(3));
  EXPECT_GE(w().store.view().unpromised, before);
  EXPECT_FALSE(replica(0).core->state().freed);
  EXPECT_FALSE(replica(1).core->state().freed);
  EXPECT_NE(replica(0).core->state().first_write, 0);
}

// The lock is renewed no more, and the leader lives by the promises of agents that are restarted
// then. It reaches the store, and sees them.
TEST_F(Unpromised, agents_are_none_while_the_leader_lives_by_promises) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    begin_failsafe(3, seed);
    w().run_for(seconds(31));
    renew_no_more(old_primary());
    old_primary().keepalives_lost = true;
    const Instant before = consent();
    ASSERT_TRUE(w().run_until([&] { return consent() > before; }, seconds(10))) << w().describe();
    cut_off(old_primary());
    restart_agents_of_replicas();
    ASSERT_TRUE(w().run_until([&] { return leader_knows_agents(); }, seconds(2))) << w().describe();
    w().run_for(seconds(1));
    judge();
    TearDown();
  }
}

// The same, with their answers on the way when they are restarted.
TEST_F(Unpromised, agents_are_none_while_a_round_of_questions_is_under_way) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    begin_failsafe(3, seed);
    w().run_for(seconds(31));
    for (Node* n : w().nodes())
      if (n != &old_primary()) n->delay = milliseconds(1900);
    renew_no_more(old_primary());
    old_primary().keepalives_lost = true;
    const Instant before = consent();
    const auto promised = [&] {
      return old_primary().core->state().lead.consent.round != 0 &&
             std::ranges::all_of(w().nodes(), [&](const Node* n) {
               return n == &old_primary() || n->core->state().promise.until > w().now();
             });
    };
    ASSERT_TRUE(w().run_until(promised, seconds(10))) << w().describe();
    for (Node* n : w().nodes()) n->delay = {};
    restart_agents_of_replicas();
    ASSERT_TRUE(w().run_until([&] { return leader_knows_agents(); }, seconds(2))) << w().describe();
    ASSERT_EQ(consent(), before);
    w().run_for(seconds(1));
    ASSERT_GT(consent(), before);
    cut_off(old_primary());
    judge();
    TearDown();
  }
}

}  // namespace
}  // namespace aurum::sim
