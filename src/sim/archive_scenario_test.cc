// Standbys that go on by the WAL archive, where they stream from nobody.

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class Archive : public Scenario {};

TEST_F(Archive, a_standby_that_can_not_stream_follows_by_the_archive_and_streams_again) {
  begin({.nodes = 3, .archive = true});
  Node& standby = replica();
  w().cut_between(standby, old_primary());
  const auto streams = [&] { return standby.pg.streaming; };
  w().run_for(seconds(1));
  ASSERT_FALSE(streams());
  const model::Lsn before = standby.pg.wal.end;
  w().run_for(seconds(10));
  EXPECT_GT(standby.pg.wal.end.value, before.value + 0x1400);
  EXPECT_FALSE(streams());
  w().cut_between(standby, old_primary(), false);
  EXPECT_TRUE(w().run_until(streams, seconds(20))) << w().describe();
  EXPECT_TRUE(w().run_until_healthy());
  EXPECT_EQ(timeline(), 1U);
}

// What nobody acknowledged is in the archive all the same: the standby that has it is no leader in
// synchronous mode, and may not follow the one that has not got it as if nothing were.
TEST_F(Archive, a_standby_that_restored_what_the_new_leader_never_had_is_brought_back) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin({.nodes = 3, .seed = seed, .dcs = dcs({{"synchronous_mode", true}}), .archive = true});
    const auto& sync = [&]() -> const model::SyncKey& { return w().store.view().sync; };
    ASSERT_TRUE(w().run_until([&] { return !sync().members.empty(); }, seconds(10)));
    Node& standby = w().node(sync().members.front());
    Node& other = &standby == &replica(0) ? replica(1) : replica(0);
    old_primary().reaches_store = false;  // the key goes on naming the standby
    standby.reaches_peers = false;        // nor the archive
    w().cut_between(other, old_primary());
    w().run_for(seconds(5));
    ASSERT_GT(other.pg.wal.end.value, standby.pg.wal.end.value);
    w().power_off(old_primary());
    standby.reaches_peers = true;
    ASSERT_TRUE(w().run_until([&] { return w().writer() == &standby; }, seconds(30)))
        << w().describe();
    for (Node* n : w().nodes()) n->mute_to = 0;
    old_primary().reaches_store = true;
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    EXPECT_TRUE(other.pg.wal.is_prefix_of(standby.pg.wal)) << w().describe();
    TearDown();
  }
}

// A timeline is followed by its file in the archive before anybody says who leads on it.
TEST_F(Archive, a_standby_that_went_over_to_a_new_timeline_by_itself_streams_from_its_leader) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin({.nodes = 3, .seed = seed, .archive = true});
    Node& standby = replica();
    standby.reaches_store = false;
    w().request_failover({.leader = old_primary().name, .candidate = replica(1).name});
    ASSERT_TRUE(w().run_until([&] { return w().writer() == &replica(1); }, seconds(20)));
    w().run_for(seconds(10));
    EXPECT_EQ(standby.pg.wal.timeline(), 2U);
    standby.reaches_store = true;
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    TearDown();
  }
}

// PostgreSQL looks for a segment on the older timelines too, while the new one's is not there: a
// standby then has replayed what the new leader never had, and says that it is on its timeline.
TEST_F(Archive, a_standby_that_is_served_what_it_can_not_replay_is_rewound) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin({.nodes = 3, .seed = seed});
    w().power_off(old_primary());
    ASSERT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(60)));
    Node& leader = *w().writer();
    Node& standby = &leader == &replica(0) ? replica(1) : replica(0);
    const auto follows = [&] { return standby.pg.streaming && standby.pg.wal.path.size() == 2; };
    ASSERT_TRUE(w().run_until(follows, seconds(60)));
    w().run_for(seconds(seed % 3));
    w().power_off(standby);
    auto& wal = standby.pg.wal;
    ASSERT_EQ(wal.path.size(), 2U);
    wal.end = {wal.path.back().begin.value + 0x100 * seed};
    wal.path.pop_back();
    standby.pg.flush();
    standby.pg.checkpoint = wal.path.back().begin;
    standby.pg.checkpoint_timeline = 1;
    standby.pg.lags = true;
    standby.pg.served = 2;
    w().power_on(standby);
    w().power_on(old_primary());
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    EXPECT_TRUE(standby.said("rejoin.rewind"));
    TearDown();
  }
}

}  // namespace
}  // namespace aurum::sim
