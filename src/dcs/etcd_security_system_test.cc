// TLS and logins of the store against a real etcd.
#include <fstream>

#include "dcs/testing/etcd_store_fixture.h"

namespace aurum::dcs {

namespace {

using testing::ClusterOptions;
using testing::TemporaryDirectory;
using testing::TestCertificates;

class EtcdTls : public testing::EtcdStoreFixture {
 protected:
  void start_with_certificate(const std::string& server) {
    start_config({.tls = &certificates_, .server_certificate = server});
  }
  void start_config(ClusterOptions options) {
    make_cluster(std::move(options));
    cluster_->start_all();
  }
  Error read_error(model::EtcdConfig config) {
    open(std::move(config));
    const auto keys = run(store_->read(seconds(2)));
    EXPECT_FALSE(keys);
    return keys ? Error{} : keys.error();
  }

  TemporaryDirectory directory_;
  TestCertificates certificates_{directory_.path()};
};

TEST_F(EtcdTls, mutual_tls_works_by_address_and_by_name) {
  start_with_certificate("server");
  open();
  wait_until_ready();
  const auto done = put("a", "1");
  ASSERT_TRUE(done) << done.error().text();
  pass(seconds(3));  // probes go on under TLS too
  EXPECT_EQ(log_.count("etcd.lost"), 0) << log_.text();
  auto config = cluster_->config();
  config.hosts = {"localhost" + config.hosts[0].substr(config.hosts[0].find(':'))};
  open(config);
  wait_until_ready();
}

TEST_F(EtcdTls, a_server_whose_certificate_names_another_host_is_refused) {
  start_with_certificate("stranger");
  const Error error = read_error(cluster_->config());
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_NE(error.message.find("certificate"), std::string::npos) << error.text();
  EXPECT_NE(error.message.find("mismatch"), std::string::npos) << error.text();
}

TEST_F(EtcdTls, a_server_of_an_unknown_authority_is_refused) {
  start_with_certificate("server");
  TemporaryDirectory elsewhere;
  const TestCertificates others(elsewhere.path());
  auto config = cluster_->config();
  config.cacert = others.file("ca.crt");
  const Error error = read_error(config);
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_NE(error.message.find("certificate"), std::string::npos) << error.text();
}

TEST_F(EtcdTls, without_a_client_certificate_the_reason_is_told) {
  start_with_certificate("server");
  auto config = cluster_->config();
  config.cert.clear();
  config.key.clear();
  const Error error = read_error(config);
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_NE(error.message.find("certificate"), std::string::npos) << error.text();
}

TEST_F(EtcdTls, certificates_that_are_replaced_while_running_serve_the_next_connection) {
  start_with_certificate("server");
  open();
  wait_until_ready();
  cluster_->kill(0);
  std::ofstream(certificates_.file("client.crt")) << "half written";
  cluster_->start(0);
  wait_until_ready();
  EXPECT_EQ(log_.count("etcd.certificates") > 0, true) << log_.text();
}

class EtcdLogin : public testing::EtcdStoreFixture {
 protected:
  void start_with_users(std::vector<std::string> extra) {
    start({.extra = std::move(extra)});
    ctl({"user", "add", "root:rootpw"});
    ctl({"user", "grant-role", "root", "root"});
    ctl({"user", "add", "aurum:right"});
    ctl({"role", "add", "service"});
    ctl({"role", "grant-permission", "service", "--prefix=true", "readwrite", "/service/"});
    ctl({"user", "grant-role", "aurum", "service"});
    ctl({"auth", "enable"});
  }
  void ctl(std::vector<std::string> arguments) {
    const std::string what = arguments[0] + " " + arguments[1];
    EXPECT_EQ(cluster_->ctl(std::move(arguments)), 0) << what;
  }
  void ctl_as_root(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--user", "root:rootpw"});
    ctl(std::move(arguments));
  }
  model::EtcdConfig config(const std::string& user, const std::string& password) {
    auto config = cluster_->config();
    config.username = user;
    config.password = password;
    return config;
  }
};

TEST_F(EtcdLogin, a_user_with_the_right_password_may_do_everything_below_the_base_path) {
  start_with_users({});
  open(config("aurum", "right"));
  wait_until_ready();
  const auto done = put("a", "1");
  ASSERT_TRUE(done) << done.error().text();
  const auto seen = watch(done->revision + 1);
  const auto lease = run(store_->grant(seconds(20), kTimeout));
  ASSERT_TRUE(lease) << lease.error().text();
  const auto left = run(store_->keep_alive(lease->id, kTimeout));
  EXPECT_TRUE(left) << left.error().text();
  ASSERT_TRUE(put("a", "2"));
  EXPECT_TRUE(run_until([&] { return seen->changes.size() == 1; }));
  EXPECT_TRUE(run(store_->server_version(kTimeout)));
}

TEST_F(EtcdLogin, a_wrong_password_is_told_at_once_with_user_and_endpoint) {
  start_with_users({});
  open(config("aurum", "wrong"));
  Result<Keys> keys;
  const Duration spent = took([&] { keys = run(store_->read(kTimeout)); });
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::permission) << keys.error().text();
  EXPECT_NE(keys.error().message.find("'aurum'"), std::string::npos) << keys.error().text();
  EXPECT_NE(keys.error().message.find(cluster_->config().hosts[0]), std::string::npos)
      << keys.error().text();
  EXPECT_LT(spent, seconds(2));
  const auto end = run(store_->watch(1, seconds(2), [](const WatchBatch&) {}));
  EXPECT_EQ(end.code, Code::permission) << end.text();
}

TEST_F(EtcdLogin, without_a_user_the_hint_says_what_to_set) {
  start_with_users({});
  open();
  const auto keys = run(store_->read(kTimeout));
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::permission) << keys.error().text();
  EXPECT_NE(keys.error().hint.find("etcd3.username"), std::string::npos) << keys.error().text();
}

TEST_F(EtcdLogin, a_user_without_rights_is_told) {
  start_with_users({});
  ctl_as_root({"user", "add", "nobody:right"});
  open(config("nobody", "right"));
  const auto keys = run(store_->read(kTimeout));
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::permission) << keys.error().text();
  const auto end = run(store_->watch(1, seconds(2), [](const WatchBatch&) {}));
  EXPECT_EQ(end.code, Code::permission) << end.text();
}

TEST_F(EtcdLogin, an_expired_token_is_renewed_by_calls_and_watches) {
  start_with_users({"--auth-token-ttl", "1"});
  open(config("aurum", "right"));
  wait_until_ready();
  pass(seconds(4));
  const auto done = put("a", "1");
  ASSERT_TRUE(done) << done.error().text();
  pass(seconds(4));
  const auto seen = watch(done->revision);
  EXPECT_TRUE(run_until([&] { return seen->changes.size() == 1; }));
  EXPECT_FALSE(seen->end) << seen->end->text();
}

TEST_F(EtcdLogin, a_token_from_before_a_change_of_rights_is_renewed) {
  start_with_users({});
  open(config("aurum", "right"));
  wait_until_ready();
  ctl_as_root({"role", "add", "another"});
  const auto done = put("a", "1");
  EXPECT_TRUE(done) << done.error().text();
  const auto keys = run(store_->read(kTimeout));
  EXPECT_TRUE(keys) << keys.error().text();
}

TEST_F(EtcdLogin, a_password_is_harmless_where_authentication_is_off_and_used_when_it_comes_on) {
  start({});
  open(config("aurum", "right"));
  wait_until_ready();
  EXPECT_TRUE(put("a", "1"));
}

}  // namespace

}  // namespace aurum::dcs
