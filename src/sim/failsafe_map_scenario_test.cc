// Failsafe mode: whom a leader asks that goes on without the store. Who may take the lock is in the
// map that the store has, so its leader must ask all of those. World checks at every event that no
// two servers write.

#include <algorithm>

#include "sim/testing/failsafe.h"

namespace aurum::sim {
namespace {

class FailsafeMap : public FailsafeScenario {
 protected:
  /// Node `late` has been away for so long that the map does not name it any more, and its agent
  /// was not: it could take the lock at once.
  void begin_with_one_away(WorldOptions options) {
    options.nodes = 4;
    begin_failsafe(std::move(options));
    late().reaches_store = false;
    ASSERT_TRUE(w().run_until([&] { return mapped() == 3; }, seconds(40))) << w().describe();
    w().run_for(seconds(31));  // a former agent's promise
  }
  void begin_with_one_away() {
    begin_with_one_away({.dcs = dcs({{"failsafe_mode", true}, {"ttl", 10}})});
  }
  /// The leader writes a map with `late` in it, which gets no answer and comes to the store in four
  /// seconds. Then `late` is no member again.
  void write_map_that_comes_late() {
    begin_with_one_away();
    old_primary().delay_requests = 100;
    late().reaches_store = true;
    const auto writes_map = [&] {
      return std::ranges::any_of(old_primary().core->state().pending,
                                 [](const auto& p) { return p.second.what == "failsafe"; });
    };
    ASSERT_TRUE(w().run_until(writes_map, seconds(10))) << w().describe();
    late().reaches_store = false;
    w().store.put_off("members/" + late().name);
    old_primary().delay_requests = 0;
  }
  /// The leader has nobody but those it asks; `late` has the store, and hears of nobody.
  void part() {
    old_primary().reaches_store = false;
    cut_off(late());
    late().reaches_store = true;
  }
  Node& late() { return replica(2); }
};

TEST_F(FailsafeMap, that_may_still_come_true_is_written_over_and_asked_until_then) {
  write_map_that_comes_late();
  w().run_for(milliseconds(3500));
  part();
  EXPECT_TRUE(writes_on(seconds(60))) << w().describe();
  EXPECT_FALSE(late().leads());
}

TEST_F(FailsafeMap, of_a_former_agent_that_comes_late_comes_to_nothing) {
  write_map_that_comes_late();
  w().kill_agent(old_primary());
  w().start_agent(old_primary());
  ASSERT_TRUE(w().run_until([&] { return old_primary().leads(); }, seconds(2))) << w().describe();
  w().run_for(milliseconds(500));
  part();
  EXPECT_TRUE(writes_on(seconds(60))) << w().describe();
  EXPECT_FALSE(late().leads());
}

// A round of questions is under way when the store is back for a moment, and somebody joins.
TEST_F(FailsafeMap, that_changes_makes_a_round_of_questions_to_the_former_one_worth_nothing) {
  begin_with_one_away({.profile = "fast", .dcs = dcs({{"failsafe_mode", true}, {"ttl", 10}})});
  for (Node* n : {&replica(0), &replica(1)}) {  // it is followed by `late` or nobody
    n->config.tags = dcs({{"nofailover", true}});
    w().deliver(*n, ConfigReloaded{n->config});
  }
  w().run_for(seconds(1));
  old_primary().watch_stalled = true;
  late().reaches_store = true;
  const auto member = [&] { return w().store.view().member(late().name) != nullptr; };
  ASSERT_TRUE(w().run_until(member, seconds(10))) << w().describe();
  for (Node* n : {&replica(0), &replica(1)}) n->delay = milliseconds(300);
  w().cut_between(old_primary(), late());
  old_primary().reaches_store = false;
  const auto asks = [&] { return old_primary().core->state().lead.consent.round != 0; };
  ASSERT_TRUE(w().run_until(asks, seconds(1))) << w().describe();
  // A renewal would end the round.
  renew_no_more(old_primary());
  old_primary().watch_stalled = false;
  old_primary().reaches_store = true;
  ASSERT_TRUE(w().run_until([&] { return mapped() == 4; }, milliseconds(500))) << w().describe();
  w().run_for(milliseconds(20));
  old_primary().reaches_store = false;
  EXPECT_TRUE(w().run_until([&] { return late().leads(); }, seconds(5))) << w().describe();
  w().run_for(seconds(5));  // one_writer judges
}

// The leader's heartbeats end in the very moment in which it writes a map without `late`, which
// sees nothing of that any more, and takes over from a leader that is silent.
TEST_F(FailsafeMap, is_compared_by_whoever_takes_the_lock) {
  begin_failsafe({.nodes = 4, .profile = "fast", .dcs = dcs({{"failsafe_mode", true}})});
  w().run_for(seconds(31));  // a former agent's promise
  const auto beat = [&] { return w().store.view().heartbeat->mod_revision; };
  const auto last = beat();
  ASSERT_TRUE(w().run_until([&] { return beat() != last; }, seconds(1)));
  w().run_for(milliseconds(10));
  Node& n = old_primary();
  renew_no_more(n);
  late().watch_stalled = true;
  cut_off(late());
  w().store.put_off("members/" + late().name);
  const auto settled = [&] {
    return n.core->state().view->failsafe->members.size() == 3 &&
           n.core->state().failsafe_asked.empty();
  };
  ASSERT_TRUE(w().run_until(settled, milliseconds(300))) << w().describe();
  n.reaches_store = false;
  EXPECT_TRUE(writes_on(seconds(10))) << w().describe();
  EXPECT_TRUE(late().said("race"));
  EXPECT_FALSE(late().leads());
}

// A restarted agent reads, of a store's member that lags, the map of before `late` was back.
TEST_F(FailsafeMap, of_before_this_leadership_says_nothing_of_whom_to_ask) {
  begin_with_one_away();
  const auto before = w().store.revision();
  late().reaches_store = true;
  ASSERT_TRUE(w().run_until([&] { return mapped() == 4; }, seconds(10))) << w().describe();
  w().run_for(milliseconds(200));
  w().kill_agent(old_primary());
  old_primary().stale = static_cast<std::size_t>(w().store.revision() - before);
  w().start_agent(old_primary());
  ASSERT_TRUE(w().run_until([&] { return old_primary().leads(); }, seconds(5))) << w().describe();
  part();
  EXPECT_TRUE(w().run_until([&] { return w().writer() == nullptr; }, seconds(12)))
      << w().describe();
  w().run_for(seconds(60));  // one_writer judges
}

// Without a map everybody may take the lock, and there is nobody to be asked.
TEST_F(FailsafeMap, that_is_gone_or_rubbish_when_the_store_goes_wins_no_time) {
  for (const bool gone : {true, false}) {
    SCOPED_TRACE(gone);
    begin_failsafe();
    w().run_for(seconds(31));
    w().cut_store(true);
    ASSERT_TRUE(writes_on(seconds(30))) << w().describe();
    const auto round = [&] { return old_primary().core->state().lead.consent.until; };
    const Instant last = round();
    ASSERT_TRUE(w().run_until([&] { return round() > last; }, seconds(20)));
    gone ? w().store.put_off("failsafe") : w().store.put("failsafe", "rubbish");
    // Back for so short that the promises last still.
    w().cut_store(false);
    const auto seen = [&] {
      const State& s = old_primary().core->state();
      const bool none = !s.view->failsafe || s.view->failsafe->members.empty();
      return none && w().leader() == old_primary().name && !s.lead.keyless &&
             s.view->revision >= static_cast<model::Revision>(s.lead.epoch);
    };
    ASSERT_TRUE(w().run_until(seen, seconds(3))) << w().describe();
    cut_off(old_primary());
    old_primary().reaches_store = false;
    w().run_for(seconds(60));  // one_writer judges
    EXPECT_TRUE(w().writer() != nullptr && w().writer() != &old_primary()) << w().describe();
    TearDown();
  }
}

}  // namespace
}  // namespace aurum::sim
