// The store over real etcd members on loopback: the contract of every Store, and members that die,
// freeze or lose their quorum.
#include "dcs/store_contract_test.h"
#include "dcs/testing/etcd_store_fixture.h"

namespace aurum::dcs {

namespace {

using testing::ClusterOptions;
using testing::EtcdCluster;

class SingleEtcd final : public StoreService {
 public:
  SingleEtcd() { cluster_.start_all(); }
  std::unique_ptr<Store> open(boost::asio::io_context& io, std::string base_path) override {
    return make_etcd_store(io.get_executor(), cluster_.config(), std::move(base_path), log_);
  }
  void compact(model::Revision revision) override {
    EXPECT_EQ(cluster_.ctl({"compaction", std::to_string(revision)}), 0);
  }

 private:
  testing::MemoryLog log_;
  EtcdCluster cluster_{ClusterOptions{}};
};

INSTANTIATE_TEST_SUITE_P(Etcd, StoreContract,
                         ::testing::Values(StoreFactory{
                             "single", [] { return std::make_unique<SingleEtcd>(); }}),
                         [](const auto& factory) { return factory.param.name; });

class EtcdStore : public testing::EtcdStoreFixture {};

// What an idle connection costs is counted in steps of the loop, which no slow machine adds to: a
// store that polled or spun would take hundreds or millions, where a ping and its answer are few.
TEST_F(EtcdStore, an_idle_connection_stays_and_does_next_to_nothing) {
  start({});
  EXPECT_LT(steps_within(seconds(6)), 60);
  ASSERT_TRUE(put("a", "1"));
  EXPECT_EQ(log_.count("etcd.connected"), 1) << log_.text();
  EXPECT_EQ(log_.count("etcd.lost"), 0) << log_.text();
}

TEST_F(EtcdStore, an_absent_server_is_unavailable_within_the_timeout_and_found_when_it_starts) {
  make_cluster({});
  open();
  Result<Keys> keys;
  const Duration spent = took([&] { keys = run(store_->read(milliseconds(600))); });
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::unavailable);
  EXPECT_NE(keys.error().message.find("refused"), std::string::npos) << keys.error().text();
  EXPECT_GE(spent, milliseconds(590));
  EXPECT_LT(spent, seconds(3));
  const auto written = put("a", "1", milliseconds(300));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::unavailable) << written.error().text();
  cluster_->start_all();
  wait_until_ready();
  EXPECT_TRUE(put("a", "1"));
}

TEST_F(EtcdStore, calls_go_on_when_a_member_is_killed) {
  start({.members = 3});
  ASSERT_TRUE(put("a", "1"));
  cluster_->kill(0);
  Result<Keys> keys;
  const Duration spent = took([&] { keys = run(store_->read(kTimeout)); });
  ASSERT_TRUE(keys) << keys.error().text();
  EXPECT_EQ(keys->keys.at(0).value, "1");
  EXPECT_LT(spent, seconds(3));
  // While the others still elect a leader, what becomes of a write may be unknown, but not for
  // long.
  ASSERT_TRUE(run_until_written("a", "2"));
  EXPECT_EQ(run(store_->read(kTimeout))->keys.at(0).value, "2");
}

TEST_F(EtcdStore, a_frozen_member_is_left_soon_by_calls_and_watches) {
  start({.members = 3});
  const auto made = put("a", "1");
  ASSERT_TRUE(made) << made.error().text();
  const auto seen = watch(made->revision + 1);
  pass(milliseconds(200));
  ASSERT_FALSE(seen->end);
  cluster_->freeze(0);
  const Duration left = took([&] { run_until([&] { return seen->end.has_value(); }, seconds(5)); });
  EXPECT_LT(left, seconds(3)) << "a second where the machine is idle";
  ASSERT_TRUE(seen->end);
  EXPECT_EQ(seen->end->code, Code::unavailable) << seen->end->text();
  const auto keys = run(store_->read(kTimeout));
  EXPECT_TRUE(keys) << keys.error().text();
  cluster_->thaw(0);
}

TEST_F(EtcdStore, a_frozen_first_endpoint_is_passed_over_at_the_start) {
  start({.members = 3});
  cluster_->freeze(0);
  open();
  Result<Keys> keys;
  const Duration spent = took([&] { keys = run(store_->read(kTimeout)); });
  EXPECT_TRUE(keys) << keys.error().text();
  EXPECT_LT(spent, seconds(3));
  cluster_->thaw(0);
}

TEST_F(EtcdStore, a_read_sent_to_a_member_that_freezes_is_answered_by_another) {
  start({.members = 3});
  ASSERT_TRUE(put("a", "1"));
  cluster_->freeze(0);
  Result<Keys> keys;
  const Duration spent = took([&] { keys = run(store_->read(kTimeout)); });
  ASSERT_TRUE(keys) << keys.error().text();
  EXPECT_LT(spent, seconds(3));
  cluster_->thaw(0);
}

TEST_F(EtcdStore, a_write_sent_to_a_member_that_freezes_has_an_unknown_outcome) {
  start({});
  ASSERT_TRUE(put("a", "1"));
  cluster_->freeze(0);
  Result<model::TxnDone> done;
  const Duration spent = took([&] { done = put("a", "2", seconds(1)); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::unknown_outcome) << done.error().text();
  EXPECT_LT(spent, seconds(3));
  const auto read = run(store_->read(milliseconds(500)));
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().code == Code::timeout || read.error().code == Code::unavailable)
      << read.error().text();
  cluster_->thaw(0);
  EXPECT_TRUE(run_until_written("a", "3"));
}

TEST_F(EtcdStore, without_quorum_writes_and_reads_become_unavailable_within_their_timeout) {
  start({.members = 3});
  cluster_->kill(1);
  cluster_->kill(2);
  // Until the last member notices that it has no leader, a write it took has an unknown outcome.
  std::optional<Error> error;
  for (int i = 0; i < 20 && (!error || error->code == Code::unknown_outcome); ++i) {
    Result<model::TxnDone> done;
    const Duration spent = took([&] { done = put("a", "1", milliseconds(500)); });
    EXPECT_LT(spent, seconds(2));
    ASSERT_FALSE(done);
    error = done.error();
  }
  EXPECT_EQ(error->code, Code::unavailable) << error->text();
  const auto read = run(store_->read(milliseconds(500)));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::unavailable) << read.error().text();
  const auto renewed = run(store_->keep_alive(4711, milliseconds(500)));
  ASSERT_FALSE(renewed);
  EXPECT_EQ(renewed.error().code, Code::unavailable) << renewed.error().text();
  cluster_->start(1);
  wait_until_ready();
  EXPECT_TRUE(run_until_written("a", "2"));
}

// What it knows may be old: the check after a renewal asks whether the lock is still ours.
TEST_F(EtcdStore, without_quorum_a_transaction_that_only_compares_is_not_answered) {
  start({.members = 3});
  ASSERT_TRUE(run_until_written("leader", "node-1"));
  cluster_->kill(1);
  cluster_->kill(2);
  for (const std::string said : {"node-1", "node-2"}) {
    const auto done = run(
        store_->txn({.when = {{.key = "leader", .what = model::Compare::What::value, .text = said}},
                     .then = {}},
                    milliseconds(500)));
    EXPECT_FALSE(done) << said << " " << done->succeeded;
  }
}

TEST_F(EtcdStore, members_are_discovered_from_one_host) {
  start({.members = 3});
  auto config = cluster_->config();
  config.hosts.resize(1);
  open(config);
  wait_until_ready();
  pass(milliseconds(300));  // the member list comes behind the first answer
  cluster_->kill(0);
  const auto keys = run(store_->read(kTimeout));
  EXPECT_TRUE(keys) << keys.error().text();
}

TEST_F(EtcdStore, with_use_proxies_only_the_configured_hosts_are_used) {
  start({.members = 3});
  auto config = cluster_->config();
  config.hosts.resize(1);
  config.use_proxies = true;
  open(config);
  wait_until_ready();
  pass(milliseconds(300));
  cluster_->kill(0);
  const auto keys = run(store_->read(milliseconds(700)));
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::unavailable) << keys.error().text();
}

TEST_F(EtcdStore, a_name_is_resolved) {
  start({});
  auto config = cluster_->config();
  config.hosts = {"localhost" + config.hosts[0].substr(config.hosts[0].find(':'))};
  open(config);
  wait_until_ready();
}

TEST_F(EtcdStore, a_server_that_does_not_speak_http2_is_no_endpoint) {
  start({});
  auto config = cluster_->config();
  config.protocol = "https";
  open(config);
  const auto keys = run(store_->read(milliseconds(500)));
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::unavailable);
  EXPECT_NE(keys.error().message.find("127.0.0.1"), std::string::npos) << keys.error().text();
}

}  // namespace

}  // namespace aurum::dcs
