// Giving the leadership away: when the lock goes, and to whom.

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class HandOver : public Scenario {
 protected:
  /// A switchover is asked for, and the leader has begun to stop.
  void begin_switchover() {
    w().request_failover({.leader = old_primary().name});
    ASSERT_TRUE(w().run_until([&] { return old_primary().pg.shutting_down; }, seconds(5)))
        << w().describe();
  }
  bool another_writes() { return w().writer() != nullptr && w().writer() != &old_primary(); }
};

TEST_F(HandOver, happens_at_the_last_record_however_long_the_archiver_takes) {
  begin();
  old_primary().pg.slow_archiver = seconds(30);
  begin_switchover();
  EXPECT_LT(seconds_to([&] { return another_writes(); }, seconds(10)), seconds(1));
  EXPECT_TRUE(old_primary().pg.alive) << "its archiver is at work still";
  EXPECT_TRUE(w().run_until_healthy(seconds(60))) << w().describe();
  EXPECT_EQ(w().lost_unguarded, 0);
  EXPECT_FALSE(old_primary().said("rejoin.rewind")) << w().describe();
}

TEST_F(HandOver, finds_its_candidate_prepared) {
  begin();
  replica(0).pg.slow_calls = seconds(3);  // its restartpoint takes longer than the switchover
  w().request_failover({.leader = old_primary().name, .candidate = replica(0).name});
  EXPECT_LT(seconds_to([&] { return w().writer() == &replica(0); }, seconds(10)), seconds(1));
  EXPECT_TRUE(replica(0).said("warm"));
  EXPECT_FALSE(replica(1).said("warm"));
  const model::Lsn opened = replica(0).pg.wal.path.back().begin;
  replica(0).pg.slow_calls = {};
  // The checkpoint of the new leader is another one, and is not forgotten over it.
  EXPECT_TRUE(w().run_until([&] { return replica(0).pg.checkpoint.value > opened.value + 0x200; },
                            seconds(10)))
      << w().describe();
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(HandOver, of_an_agent_that_is_told_to_end_does_not_wait_for_the_archiver_either) {
  begin();
  old_primary().pg.slow_archiver = seconds(20);
  w().stop_agent(old_primary());
  EXPECT_LT(seconds_to([&] { return another_writes(); }, seconds(10)), seconds(1));
  EXPECT_TRUE(w().run_until([&] { return !old_primary().core; }, seconds(40))) << w().describe();
  EXPECT_FALSE(old_primary().pg.alive) << "it ended behind its server";
  w().start_agent(old_primary());
  EXPECT_TRUE(w().run_until_healthy(seconds(30))) << w().describe();
  EXPECT_EQ(w().lost_unguarded, 0);
}

TEST_F(HandOver, is_off_when_nobody_received_the_last_record) {
  for (const bool at_once : {true, false}) {
    SCOPED_TRACE(at_once);
    begin({.nodes = 3, .seed = 8});
    if (!at_once) old_primary().pg.slow_archiver = seconds(2);
    begin_switchover();
    // No standby gets a byte more, and the server that they would get it from is gone.
    old_primary().reaches_peers = false;
    ASSERT_TRUE(
        w().run_until([&] { return old_primary().pg.control_state == "shut down"; }, seconds(5)));
    old_primary().reaches_peers = true;
    seconds_to([&] { return w().writer() != nullptr; }, seconds(10));
    EXPECT_EQ(w().writer(), &old_primary()) << w().describe();
    EXPECT_EQ(timeline(), 1u);
    EXPECT_TRUE(old_primary().said("switchover.undone"));
    EXPECT_TRUE(w().run_until_healthy(seconds(30))) << w().describe();
    w().run_for(seconds(5));
    EXPECT_EQ(w().writer(), &old_primary()) << "it was asked for once\n" << w().describe();
    EXPECT_TRUE(w().store.view().failover->is_empty());
    EXPECT_EQ(w().lost_unguarded, 0);
    TearDown();
  }
}

TEST_F(HandOver, goes_to_a_synchronous_standby_that_lacks_nothing_but_the_last_record) {
  begin({.nodes = 3, .seed = 9, .dcs = dcs({{"synchronous_mode", true}})});
  begin_switchover();
  old_primary().reaches_peers = false;
  ASSERT_TRUE(
      w().run_until([&] { return old_primary().pg.control_state == "shut down"; }, seconds(5)));
  old_primary().reaches_peers = true;
  EXPECT_TRUE(w().run_until([&] { return another_writes(); }, seconds(10))) << w().describe();
  EXPECT_TRUE(w().run_until_healthy(seconds(30))) << w().describe();
}

}  // namespace
}  // namespace aurum::sim
