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
    ASSERT_TRUE(w().run_until(
        [&] { return replica(0).pg.writable() || replica(1).pg.writable(); }, seconds(40)));
    w().heal();
    w().run_for(milliseconds(10));
    EXPECT_FALSE(old.pg.alive);
    TearDown();
  }
}

}  // namespace
}  // namespace aurum::sim
