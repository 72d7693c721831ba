// PostgreSQL itself dies or hangs, and the rest of its node is well.
#include <gmock/gmock.h>

#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

/// Asynchronous replication.
class PostgresFaults : public ClusterTest {};

class PostgresFaultsAtRest : public ClusterTest {
  bool writes() const override { return false; }
};

class PostgresFaultsInSyncMode : public ClusterTest {
  void plan(stack::Plan& p) override { p.sync = "on"; }
};

TEST_F(PostgresFaults, a_killed_primary_loses_nothing) {
  const std::size_t old = leader();
  const auto server = cluster().postmaster(old);
  ASSERT_TRUE(cluster().kill(old, Part::postgres));
  wait_for("another server", [&] {
    const auto now = cluster().postmaster(old);
    return now && now != server;
  });
  wait_for_writes();
  // Who leads now depends on whether a standby had the last row: it must not be missed.
  settle_and_judge();
}

TEST_F(PostgresFaultsAtRest, a_killed_primary_hands_over_to_a_standby_that_has_all_of_its_wal) {
  const std::size_t old = leader();
  const std::size_t logged = log_end(old);
  ASSERT_TRUE(cluster().kill(old, Part::postgres));
  other_leader(old);
  wait_healthy();
  EXPECT_THAT(log_since(old, logged), ::testing::HasSubstr(" has received all of its WAL"));
}

TEST_F(PostgresFaults, a_killed_replica_comes_back_and_disturbs_nobody) {
  const std::size_t lead = leader();
  const std::size_t follower = replica();
  const auto timeline = cluster().observe().nodes[lead].timeline;
  ASSERT_TRUE(cluster().kill(follower, Part::postgres));
  wait_for_writes();
  settle_and_judge();
  EXPECT_EQ(leader(), lead);
  EXPECT_EQ(cluster().observe().nodes[lead].timeline, timeline);
}

// The postmaster and all its children stop in the middle of what they do: connections stay, answers
// do not come. Leadership must not outlive a server that cannot write.
TEST_F(PostgresFaults, a_hung_primary_is_replaced_or_restarted) {
  const std::size_t old = leader();
  const auto server = cluster().postmaster(old);
  ASSERT_TRUE(cluster().freeze(old, Part::postgres));
  wait_for_writes(seconds(90));
  EXPECT_NE(cluster().postmaster(old), server) << "a hung server must not be left to wake up";
  settle_and_judge(Loss::before_takeover);
}

TEST_F(PostgresFaults, a_hung_replica_is_restarted) {
  const std::size_t lead = leader();
  const std::size_t follower = replica();
  const auto server = cluster().postmaster(follower);
  ASSERT_TRUE(cluster().freeze(follower, Part::postgres));
  wait_for("another server", [&] {
    const auto now = cluster().postmaster(follower);
    return now && now != server;
  });
  EXPECT_EQ(leader(), lead);
  settle_and_judge();
}

TEST_F(PostgresFaultsInSyncMode, a_killed_primary_hands_over_to_a_synchronous_standby) {
  const std::size_t old = leader();
  wait_for("a synchronous standby", [&] {
    const auto view = cluster().observe();
    return std::any_of(view.nodes.begin(), view.nodes.end(), [](const auto& n) { return n.sync; });
  });
  ASSERT_TRUE(cluster().kill(old, Part::postgres));
  other_leader(old);
  wait_for_writes();
  const auto verdict = settle_and_judge();
  EXPECT_GE(verdict.reigns.size(), 2U);
}

TEST_F(PostgresFaultsInSyncMode, a_hung_primary_loses_nothing) {
  const std::size_t old = leader();
  ASSERT_TRUE(cluster().freeze(old, Part::postgres));
  wait_for_writes(seconds(90));
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
