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

/// With time for a clean stop between the last renewal and the lease's end, also on a busy machine.
class NetworkWithALongLease : public Network {
 protected:
  void plan(stack::Plan& p) override {
    Network::plan(p);
    stack::set_ttl(p, 15);
  }
};

/// The same in synchronous mode: alone on its side of a cut the primary acknowledges nothing.
class NetworkInSyncMode : public Network {
 protected:
  void plan(stack::Plan& p) override {
    Network::plan(p);
    p.sync = "on";
  }
};

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

// Its clients still reach it, its standbys and their etcd members do not.
TEST_F(Network, a_primary_cut_off_from_all_other_hosts_is_replaced) {
  const std::size_t old = leader();
  write_inside(old);
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

// Clients, standbys and the other agents go on reaching it: only etcd does not. It stops by itself
// and in time, so its last rows are with the standbys, and it needs no guard, no rewind and no
// copy.
TEST_F(NetworkWithALongLease,
       a_primary_cut_off_from_etcd_alone_stops_before_its_lease_ends_and_loses_nothing) {
  const std::size_t old = leader();
  write_inside(old);
  const std::size_t end = log_end(old);
  need(lab().cut_etcd(old));
  const std::size_t next = other_leader(old);
  // Its clients inside may have gone on to the new one already.
  EXPECT_NE(sql(cluster(), old, "SELECT pg_is_in_recovery()").value_or("t"), "f");
  wait_for_writes();
  const std::string log = log_since(old, end);
  EXPECT_NE(log.find("demoted self because DCS is not accessible and I was a leader"),
            std::string::npos)
      << log;
  EXPECT_EQ(log.find("and was not renewed"), std::string::npos) << "the guard killed it: " << log;
  need(lab().heal_all());
  settle_and_judge_both(Loss::none);
  EXPECT_EQ(leader(), next);
  const std::string all = log_since(old, end);
  EXPECT_EQ(all.find("running pg_rewind"), std::string::npos) << all;
  EXPECT_EQ(all.find("copying the data directory anew"), std::string::npos) << all;
}

TEST_F(NetworkInSyncMode, a_primary_that_is_cut_off_loses_no_acknowledged_row) {
  const std::size_t old = leader();
  write_inside(old);
  need(lab().cut(old));
  other_leader(old);
  EXPECT_FALSE(is_primary(old));
  wait_for_writes();
  settle_and_judge_both(Loss::none);
  EXPECT_NE(leader(), old);
}

TEST_F(NetworkInSyncMode, nor_does_one_that_only_its_clients_reach) {
  const std::size_t old = leader();
  write_inside(old);
  for (std::size_t i = 0; i < 3; ++i) {
    if (i != old) need(lab().cut_pair(old, i));
  }
  other_leader(old);
  settle_and_judge_both(Loss::none);
}

}  // namespace
}  // namespace aurum::tests
