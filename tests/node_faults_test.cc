// A whole node is lost, or stopped, or all of them are.
#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class NodeFaults : public ClusterTest {};

class NodeFaultsInSyncMode : public ClusterTest {
  void plan(stack::Plan& p) override { p.sync = "on"; }
};

bool rejoined_with_a_reason(const std::string& log) {
  for (const char* reason : {"streaming from ", "running pg_rewind from ", "copying the data "}) {
    if (log.find(reason) != std::string::npos) return true;
  }
  return false;
}

TEST_F(NodeFaults, a_killed_leader_node_is_replaced_and_rejoins_with_a_reason) {
  const std::size_t old = leader();
  ASSERT_TRUE(cluster().kill(old, Part::node));
  other_leader(old);
  wait_for_writes();
  const std::size_t end = log_end(old);
  need(cluster().start_node(old));
  const auto verdict = settle_and_judge(Loss::before_takeover);
  EXPECT_GE(verdict.reigns.size(), 2U);
  EXPECT_TRUE(rejoined_with_a_reason(log_since(old, end))) << log_since(old, end);
  EXPECT_NE(leader(), old);
}

TEST_F(NodeFaults, a_killed_replica_node_rejoins_and_writes_never_stop) {
  const std::size_t lead = leader();
  const std::size_t follower = replica();
  ASSERT_TRUE(cluster().kill(follower, Part::node));
  wait_for_writes();
  need(cluster().start_node(follower));
  const auto verdict = settle_and_judge();
  EXPECT_EQ(verdict.reigns.size(), 1U);
  EXPECT_EQ(leader(), lead);
}

TEST_F(NodeFaults, a_leader_that_is_stopped_hands_over_and_loses_nothing) {
  const std::size_t old = leader();
  need(cluster().stop_node(old, seconds(90)));
  other_leader(old);
  wait_for_writes();
  need(cluster().start_node(old));
  const auto verdict = settle_and_judge();
  EXPECT_GE(verdict.reigns.size(), 2U);
}

// As after a power cut: every node and every etcd member at once.
TEST_F(NodeFaults, all_nodes_killed_at_once_come_back_with_every_row) {
  ASSERT_TRUE(cluster().kill_everything());
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  need(cluster().wait_etcd_healthy(seconds(60)));
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_node(i));
  // Whoever leads: in asynchronous mode a replica that is a moment behind may win after the lease
  // of the old leader ended.
  settle_and_judge(Loss::before_takeover);
}

TEST_F(NodeFaults, a_replica_killed_while_it_is_copied_comes_up_all_the_same) {
  const std::size_t follower = replica();
  // Enough to still be at it when the kill comes.
  need(sql(cluster(), leader(),
           "CREATE TABLE IF NOT EXISTS ballast AS SELECT g, repeat('x', 900) AS t FROM "
           "generate_series(1, 60000) g"));
  wait_healthy();
  ASSERT_TRUE(cluster().kill(follower, Part::node));
  need(cluster().wipe_node(follower));
  need(cluster().start_node(follower));
  wait_for("a copy under way", [&] {
    std::error_code ec;
    return std::filesystem::exists(cluster().data_of(follower) / "backup_label", ec) ||
           std::filesystem::exists(cluster().data_of(follower) / "base", ec);
  });
  ASSERT_TRUE(cluster().kill(follower, Part::node));
  const std::size_t end = log_end(follower);
  need(cluster().start_node(follower));
  settle_and_judge();
  // A copy that was over just before the kill is started as what it is; it is no crashed primary.
  const std::string log = log_since(follower, end);
  EXPECT_TRUE(log.find("bootstrapped from") != std::string::npos ||
              log.find("starting as a secondary") != std::string::npos)
      << log;
  EXPECT_EQ(log.find("pg_rewind"), std::string::npos) << log;
}

TEST_F(NodeFaultsInSyncMode, a_killed_leader_node_loses_no_acknowledged_row) {
  const std::size_t old = leader();
  ASSERT_TRUE(cluster().kill(old, Part::node));
  other_leader(old);
  wait_for_writes();
  need(cluster().start_node(old));
  const auto verdict = settle_and_judge();
  EXPECT_GE(verdict.reigns.size(), 2U);
}

TEST_F(NodeFaultsInSyncMode, all_nodes_killed_at_once_lose_no_acknowledged_row) {
  ASSERT_TRUE(cluster().kill_everything());
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  need(cluster().wait_etcd_healthy(seconds(60)));
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_node(i));
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
