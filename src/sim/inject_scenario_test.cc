// Faults do what they say, and their end does too: what the rules then excuse is what the fault
// made, no more and no less (docs/SIMULATION.md).

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class Injected : public Scenario {};

// Seeds 132181, 223360: nobody looked before the next event happened to come.
TEST_F(Injected, a_guard_that_stood_still_looks_the_moment_it_goes_on) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    begin({.nodes = 3, .seed = seed});
    Node& old = old_primary();
    const FaultKind kind = seed % 2 == 0 ? FaultKind::freeze : FaultKind::pause_guard;
    w().inject({.kind = kind, .lasts = seconds(100), .node = old.index});
    w().inject({.kind = FaultKind::kill_agent, .lasts = seconds(100), .node = old.index});
    ASSERT_TRUE(w().run_until([&] { return replica(0).pg.writable() || replica(1).pg.writable(); },
                              seconds(40)));
    w().heal();
    w().run_for(milliseconds(10));
    EXPECT_FALSE(old.pg.alive);
    TearDown();
  }
}

// Seed 112716: a standby whose disk had lied received its rows once more, and lost power before it
// had flushed them.
TEST_F(Injected, what_a_disk_forgot_is_back_when_it_is_flushed_and_not_when_it_is_received) {
  int cases = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    begin({.nodes = 2, .seed = seed, .dcs = dcs({{"synchronous_mode", true}})});
    Node& standby = replica();
    const auto named = [&] { return w().store.view().sync.has(standby.name); };
    ASSERT_TRUE(w().run_until(named, seconds(20)));
    w().inject({.kind = FaultKind::lying_disk, .lasts = seconds(1), .node = standby.index});
    ASSERT_TRUE(w().run_until([&] { return !standby.up; }, seconds(3)));
    old_primary().reaches_store = false;  // the key goes on saying what it says
    ASSERT_TRUE(w().run_until([&] { return standby.pg.streaming; }, seconds(30)));
    EXPECT_TRUE(standby.pg.forgot || standby.pg.flushed == standby.pg.wal.end);
    if (standby.pg.flushed < standby.pg.wal.end) ++cases;
    w().power_off(standby);
    w().power_off(old_primary());
    w().power_on(standby);
    w().run_until([&] { return w().writer() != nullptr; }, seconds(30));
    TearDown();
  }
  EXPECT_GT(cases, 2);
}

// Seed 83106: it went on, ended, and nobody started it again.
TEST_F(Injected, an_agent_that_stands_still_hears_of_no_end_of_a_job) {
  begin({.nodes = 2, .restart_agents = true});
  Node& n = old_primary();
  w().stop_agent(n);
  ASSERT_TRUE(w().run_until([&] { return n.core->state().job.has_value(); }, seconds(1)));
  w().inject({.kind = FaultKind::pause_agent, .lasts = seconds(5), .node = n.index});
  const auto steps = w().steps;
  w().run_for(seconds(4));
  EXPECT_FALSE(n.pg.alive);
  ASSERT_TRUE(n.core);
  EXPECT_TRUE(n.core->state().job) << "it was told after " << w().steps - steps << " events";
  ASSERT_TRUE(w().run_until([&] { return n.exited.has_value(); }, seconds(5)));
  ASSERT_TRUE(w().run_until_healthy());
}

}  // namespace
}  // namespace aurum::sim
