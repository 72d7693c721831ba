// Real etcd, PostgreSQL and Debian's Patroni: the stack's own machinery, which the cluster tests
// stand on, proved with an agent that is known to work.
#include <unistd.h>

#include <gtest/gtest.h>

#include "runtime/clock.h"
#include "stack/netlab.h"
#include "stack/scratch.h"
#include "stack/workload.h"

namespace aurum::stack {
namespace {

bool has_patroni() { return ::access("/usr/bin/patroni", X_OK) == 0; }

TEST(StackSystem, a_cluster_loses_its_server_its_node_and_its_data_and_comes_back) {
  if (!has_patroni()) GTEST_SKIP() << "patroni is not installed";
  auto scratch = Scratch::make();
  ASSERT_TRUE(scratch) << scratch.error().text();
  (*scratch)->plan().agent = {"/usr/bin/patroni"};
  set_ttl((*scratch)->plan(), 20);
  const auto dir = (*scratch)->plan().dir;
  auto started = (*scratch)->start(seconds(90));
  ASSERT_TRUE(started) << started.error().text();
  Cluster& cluster = (*scratch)->cluster();

  auto workload = Workload::start(cluster);
  ASSERT_TRUE(workload) << workload.error().text();
  ASSERT_TRUE((*workload)->wait_for_write(runtime::now(), seconds(10)));

  auto leader = cluster.leader();
  ASSERT_TRUE(leader);
  EXPECT_TRUE(cluster.kill(*leader, Part::postgres));
  const Instant killed = runtime::now();
  ASSERT_TRUE((*workload)->wait_for_write(killed + milliseconds(500), seconds(60)));
  auto healthy = cluster.wait_healthy(seconds(90));
  ASSERT_TRUE(healthy) << healthy.error().text();

  // A replica which loses everything is cloned anew; another command's view of the same folder
  // agrees.
  leader = cluster.leader();
  ASSERT_TRUE(leader);
  const std::size_t replica = (*leader + 1) % 3;
  EXPECT_FALSE(cluster.wipe_node(replica)) << "a running node must not be wiped";
  EXPECT_TRUE(cluster.kill(replica, Part::node));
  EXPECT_TRUE(cluster.processes(replica, Part::node).empty());
  ASSERT_TRUE(cluster.wipe_node(replica));
  auto again = Cluster::open(dir);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_FALSE(again->observe().healthy());
  ASSERT_TRUE(again->start_node(replica));
  healthy = again->wait_healthy(seconds(90));
  ASSERT_TRUE(healthy) << healthy.error().text();

  auto switched = cluster.switchover();
  EXPECT_TRUE(switched) << switched.error().text();
  healthy = cluster.wait_healthy(seconds(90));
  ASSERT_TRUE(healthy) << healthy.error().text();

  (*workload)->stop();
  const auto rows = read_rows(cluster);
  ASSERT_TRUE(rows) << rows.error().text();
  const Verdict verdict = judge((*workload)->history(), *rows);
  EXPECT_TRUE(verdict.good()) << verdict.text();
  EXPECT_GT(verdict.acknowledged, 100U);
  EXPECT_GE(verdict.reigns.size(), 2U);

  EXPECT_TRUE(cluster.stop_node(replica));
  EXPECT_TRUE(cluster.processes(replica, Part::node).empty());
  EXPECT_TRUE(cluster.start_etcd(0)) << "what runs already is left alone";
  workload->reset();
  scratch->reset();
  EXPECT_FALSE(std::filesystem::exists(dir));
  EXPECT_TRUE(with_environment("AURUM_STACK_NODE=" + (dir / "data/node-1").string()).empty());
}

TEST(StackSystem, a_busy_port_is_one_line_that_names_its_holder) {
  auto scratch = Scratch::make(1, 1);
  ASSERT_TRUE(scratch);
  ASSERT_TRUE((*scratch)->create());
  Cluster& cluster = (*scratch)->cluster();
  EXPECT_TRUE(cluster.check_ports());
  auto other = Scratch::make(1, 1);
  ASSERT_TRUE(other);
  (*other)->plan().etcds = (*scratch)->plan().etcds;
  ASSERT_TRUE((*other)->create());
  ASSERT_TRUE(cluster.start_etcd(0));
  ASSERT_TRUE(cluster.wait_etcd_healthy(seconds(30)));
  EXPECT_TRUE(cluster.check_ports()) << "our own server does not make its port busy";
  const auto busy = (*other)->cluster().check_ports();
  ASSERT_FALSE(busy);
  EXPECT_NE(busy.error().message.find("etcd (pid "), std::string::npos) << busy.error().message;
}

TEST(StackSystem, a_folder_of_somebody_else_is_left_alone) {
  auto scratch = Scratch::make(1, 1);
  ASSERT_TRUE(scratch);
  const auto file = (*scratch)->plan().dir / "precious";
  ASSERT_TRUE(write_pid_file(file, ProcessId{1, 1}));
  const auto made = (*scratch)->create();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::exists);
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(Cluster::open((*scratch)->plan().dir).error().code, Code::not_found);
}

TEST(NetworkLab, a_cut_host_is_alone_and_a_one_way_cut_has_one_way) {
  if (auto why = NetworkLab::unavailable(); !why.empty()) GTEST_SKIP() << why;
  auto lab = NetworkLab::make(3);
  ASSERT_TRUE(lab) << lab.error().text();
  auto scratch = Scratch::make(1, 3);
  ASSERT_TRUE(scratch);
  (*lab)->settle((*scratch)->plan());
  ASSERT_TRUE((*scratch)->create());
  Cluster& cluster = (*scratch)->cluster();
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster.start_etcd(i));
  auto healthy = cluster.wait_etcd_healthy(seconds(30));
  ASSERT_TRUE(healthy) << healthy.error().text();

  auto wait_leader = [&](const auto& good) {
    for (int i = 0; i < 300; ++i) {
      const auto now = cluster.etcd_leader();
      if (now && good(*now)) return true;
      ::usleep(50'000);
    }
    return false;
  };
  const auto first = cluster.etcd_leader();
  ASSERT_TRUE(first);
  ASSERT_TRUE((*lab)->cut(*first));
  EXPECT_TRUE(wait_leader([&](std::size_t now) { return now != *first; }));
  ASSERT_TRUE((*lab)->heal(*first));
  healthy = cluster.wait_etcd_healthy(seconds(30));
  ASSERT_TRUE(healthy) << healthy.error().text();

  // A leader which hears nobody cannot lead, although all hear it.
  const auto second = cluster.etcd_leader();
  ASSERT_TRUE(second);
  for (std::size_t i = 0; i < 3; ++i) {
    if (i != *second) ASSERT_TRUE((*lab)->cut_one_way(i, *second));
  }
  EXPECT_TRUE(wait_leader([&](std::size_t now) { return now != *second; }));
  ASSERT_TRUE((*lab)->heal_all());
  healthy = cluster.wait_etcd_healthy(seconds(30));
  EXPECT_TRUE(healthy) << healthy.error().text();

  const auto space = std::filesystem::path("/run/netns") / (*lab)->name_of(0);
  EXPECT_TRUE(std::filesystem::exists(space));
  lab->reset();
  EXPECT_FALSE(std::filesystem::exists(space));
}

}  // namespace
}  // namespace aurum::stack
