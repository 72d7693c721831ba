// The network is cut where the nodes are hosts of their own: network namespaces. Needs root.
#include "runtime/clock.h"
#include "stack/netlab.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

/// Asynchronous replication: a primary on the wrong side of a cut could acknowledge alone. Clients
/// also write on the primary's own host, where they reach it whatever is cut.
class Network : public ClusterTest {
 protected:
  static void SetUpTestSuite() {
    if (!stack::NetworkLab::unavailable().empty()) return;
    lab_ = need(stack::NetworkLab::make(3));
  }
  static void TearDownTestSuite() {
    ClusterTest::TearDownTestSuite();
    lab_.reset();
  }
  void SetUp() override {
    if (!lab_) GTEST_SKIP() << stack::NetworkLab::unavailable();
    need(lab_->heal_all());
    ClusterTest::SetUp();
  }
  void TearDown() override {
    inside_.reset();
    if (lab_) need(lab_->heal_all());
    ClusterTest::TearDown();
  }
  void plan(stack::Plan& p) override { lab_->settle(p); }
  stack::NetworkLab& lab() { return *lab_; }

  /// Clients in the network namespace of this node.
  void write_inside(std::size_t node) {
    inside_ = need(stack::Workload::start(cluster(), {.clients = 2,
                                                      .rate = 40,
                                                      .answer_deadline = seconds(2),
                                                      .first_id = 1'000'000'000,
                                                      .network_namespace = lab().name_of(node)}));
    need(inside_->wait_for_write(runtime::now(), seconds(30)) ? Status{}
                                                              : fail(Code::timeout, "no writes"),
         "clients beside the primary");
  }
  /// Both histories as one: a row that one side got and a row of the other are of one table.
  void settle_and_judge_both(Loss loss) {
    need(lab().heal_all());
    wait_healthy();
    wait_for_writes();
    writers().stop();
    inside_->stop();
    stack::History both;
    for (const auto* one : {&writers().history(), &inside_->history()}) {
      for (auto& ack : one->acknowledged()) both.acknowledge(ack);
      for (const auto id : one->unknown_ids()) both.unknown(id);
      for (const auto id : one->refused_ids()) both.refused(id);
    }
    judge(both, loss);
  }
  bool is_primary(std::size_t node) {
    // From the node's own host: this process may be on the other side of the cut.
    return cluster().postmaster(node).has_value() && inside_->history().last_acked() &&
           runtime::now() - *inside_->history().last_acked() < milliseconds(500);
  }

  static std::unique_ptr<stack::NetworkLab> lab_;
  std::unique_ptr<stack::Workload> inside_;
};

std::unique_ptr<stack::NetworkLab> Network::lab_;

TEST_F(Network, a_primary_cut_off_from_all_acknowledges_nothing_once_another_leads) {
  const std::size_t old = leader();
  write_inside(old);
  need(lab().cut(old));
  other_leader(old);
  EXPECT_FALSE(is_primary(old)) << "it goes on acknowledging on its side of the cut";
  wait_for_writes();
  settle_and_judge_both(Loss::before_takeover);
  EXPECT_NE(leader(), old);
}

// Its clients still reach it, the store does not.
TEST_F(Network, a_primary_cut_off_from_etcd_alone_is_replaced) {
  const std::size_t old = leader();
  write_inside(old);
  // An etcd member lives on every host: its own must not serve it either.
  for (std::size_t i = 0; i < 3; ++i) {
    if (i != old) need(lab().cut_pair(old, i));
  }
  other_leader(old);
  wait_for_writes();
  settle_and_judge_both(Loss::before_takeover);
}

// The primary hears nobody, although all hear it: its requests arrive, the answers do not.
TEST_F(Network, a_primary_that_hears_nobody_is_replaced) {
  const std::size_t old = leader();
  write_inside(old);
  for (std::size_t i = 0; i < 3; ++i) {
    if (i != old) need(lab().cut_one_way(i, old));
  }
  other_leader(old);
  settle_and_judge_both(Loss::before_takeover);
}

TEST_F(Network, a_primary_that_nobody_hears_is_replaced) {
  const std::size_t old = leader();
  write_inside(old);
  for (std::size_t i = 0; i < 3; ++i) {
    if (i != old) need(lab().cut_one_way(old, i));
  }
  other_leader(old);
  settle_and_judge_both(Loss::before_takeover);
}

// A replica's host is cut off with its etcd member: the majority is elsewhere.
TEST_F(Network, a_replica_with_a_minority_of_etcd_disturbs_nobody) {
  const std::size_t lead = leader();
  write_inside(lead);
  const std::size_t follower = replica();
  need(lab().cut(follower));
  nap(seconds(cluster().plan().ttl + 2));
  wait_for_writes();
  EXPECT_EQ(leader(), lead);
  settle_and_judge_both(Loss::none);
  EXPECT_EQ(leader(), lead);
}

}  // namespace
}  // namespace aurum::tests
