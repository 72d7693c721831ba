// Room on the disk: a leader that is short of it gives up its ballast, hands over to a node with
// room, and no election prefers a fuller node that has no more WAL.

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

constexpr unsigned kCritical = 1, kLow = 6, kRoomy = 50;  // percent that are left

class Disk : public Scenario {
 protected:
  void begin_with(std::initializer_list<unsigned> left, WorldOptions options = {}) {
    options.nodes = static_cast<int>(left.size());
    begin(std::move(options));
    // The others in their order, then the primary, which is the first in the list.
    int other = 0;
    for (auto part = left.begin() + 1; part != left.end(); ++part)
      w().fill_disk(replica(other++), *part);
    w().run_for(seconds(3));
    w().fill_disk(old_primary(), *left.begin());
    w().run_for(seconds(3));
  }
  bool leads(const Node& n) { return w().writer() == &n; }
};

TEST_F(Disk, a_leader_that_is_short_of_room_hands_over_to_a_node_with_room) {
  begin_with({kRoomy, kCritical, kRoomy});
  EXPECT_TRUE(leads(old_primary()));
  w().fill_disk(old_primary(), kCritical);
  EXPECT_LT(seconds_to([&] { return leads(replica(1)); }, seconds(20)), seconds(10));
  EXPECT_TRUE(old_primary().said("disk.hand_over"));
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  // And it stays: nobody hands over to what is full.
  w().run_for(seconds(120));
  EXPECT_TRUE(leads(replica(1)));
}

TEST_F(Disk, low_is_told_and_nothing_is_done) {
  begin_with({kLow, kRoomy, kRoomy});
  w().run_for(seconds(30));
  EXPECT_TRUE(leads(old_primary()));
  EXPECT_TRUE(old_primary().said("disk.low"));
  EXPECT_FALSE(old_primary().said("disk.hand_over"));
  ASSERT_NE(w().store.view().member(old_primary().name), nullptr);
  EXPECT_EQ(w().store.view().member(old_primary().name)->disk, model::DiskLevel::low);
}

TEST_F(Disk, where_nobody_has_room_the_leader_stays) {
  begin_with({kCritical, kCritical, kCritical});
  w().run_for(seconds(180));
  EXPECT_TRUE(leads(old_primary()));
  EXPECT_FALSE(old_primary().said("disk.hand_over"));
}

// Disks of members fill alike: a little more room elsewhere is no reason to go there.
TEST_F(Disk, where_others_are_low_as_well_the_leader_stays) {
  begin_with({kCritical, kLow, kLow});
  w().run_for(seconds(180));
  EXPECT_TRUE(leads(old_primary()));
}

TEST_F(Disk, the_ballast_is_made_given_up_and_made_again) {
  begin_with({kRoomy});
  const auto ballast = [&] { return old_primary().disk.data.ballast; };
  ASSERT_TRUE(w().run_until([&] { return ballast() != 0; }, seconds(15)));
  EXPECT_EQ(ballast(), std::uint64_t{256} << 20);
  w().fill_disk(old_primary(), kCritical);
  EXPECT_TRUE(w().run_until([&] { return ballast() == 0; }, seconds(15)));
  EXPECT_TRUE(old_primary().said("disk.ballast"));
  w().run_for(seconds(30));
  EXPECT_EQ(ballast(), 0U) << "what PostgreSQL needs";
  w().fill_disk(old_primary(), kRoomy);
  EXPECT_TRUE(w().run_until([&] { return ballast() != 0; }, seconds(15)));
}

TEST_F(Disk, a_ballast_that_is_room_enough_keeps_the_leader) {
  begin({.nodes = 2});
  // 100 MB below the limit of 2 GB; what is held back brings it well above.
  old_primary().config.aurum.disk.ballast = std::uint64_t{1} << 30;
  w().deliver(old_primary(), ConfigReloaded{old_primary().config});
  w().fill_disk(old_primary(), kRoomy);
  w().fill_disk(replica(), kRoomy);
  ASSERT_TRUE(w().run_until([&] { return old_primary().disk.data.ballast != 0; }, seconds(15)));
  old_primary().disk.data.available = (std::uint64_t{2} << 30) - (std::uint64_t{100} << 20);
  ASSERT_TRUE(w().run_until([&] { return old_primary().disk.data.ballast == 0; }, seconds(15)));
  w().run_for(seconds(60));
  EXPECT_TRUE(leads(old_primary()));
  EXPECT_FALSE(old_primary().said("disk.hand_over"));
}

// A clean stop leaves both with all of it.
TEST_F(Disk, among_equals_the_fuller_one_does_not_take_the_lock) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    begin_with({kRoomy, kCritical, kRoomy}, {.seed = seed});
    w().stop_agent(old_primary());
    seconds_to([&] { return w().writer() != nullptr && !leads(old_primary()); }, seconds(60));
    EXPECT_TRUE(leads(replica(1))) << seed << w().describe();
    TearDown();
  }
}

TEST_F(Disk, the_only_one_left_leads_although_it_is_full) {
  begin_with({kRoomy, kCritical, kRoomy});
  w().power_off(replica(1));
  w().power_off(old_primary());
  EXPECT_TRUE(w().run_until([&] { return leads(replica(0)); }, seconds(90))) << w().describe();
}

// It answers, and cannot take the lock: it is waited for a while only.
TEST_F(Disk, a_member_with_room_that_cannot_reach_the_store_is_not_waited_for_long) {
  begin_with({kRoomy, kCritical, kRoomy});
  replica(1).reaches_store = false;
  w().stop_agent(old_primary());
  EXPECT_LT(seconds_to([&] { return leads(replica(0)); }, seconds(60)), seconds(9));
}

TEST_F(Disk, in_synchronous_mode_only_a_synchronous_standby_is_handed_over_to) {
  begin_with({kRoomy, kRoomy, kRoomy}, {.dcs = dcs({{"synchronous_mode", true}})});
  const model::SyncKey& sync = w().store.view().sync;
  ASSERT_EQ(sync.members.size(), 1U);
  Node& in = w().node(sync.members.front());
  w().fill_disk(in, kCritical);
  w().run_for(seconds(3));
  w().fill_disk(old_primary(), kCritical);
  w().run_for(seconds(60));
  EXPECT_TRUE(leads(old_primary())) << "the one that is in sync has no room either";
  w().fill_disk(in, kRoomy);
  EXPECT_TRUE(w().run_until([&] { return leads(in); }, seconds(90))) << w().describe();
}

TEST_F(Disk, a_pause_and_the_switch_leave_the_leader_where_it_is) {
  begin_with({kRoomy, kRoomy});
  w().set_config("pause", true);
  w().run_for(seconds(3));
  w().fill_disk(old_primary(), kCritical);
  w().run_for(seconds(60));
  EXPECT_TRUE(leads(old_primary()));
  old_primary().config.aurum.disk.hand_over = false;
  w().deliver(old_primary(), ConfigReloaded{old_primary().config});
  w().set_config("pause", model::Value());
  w().run_for(seconds(60));
  EXPECT_TRUE(leads(old_primary()));
}

}  // namespace
}  // namespace aurum::sim
