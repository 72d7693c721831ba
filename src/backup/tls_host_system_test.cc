// Scenario: the repository is on a host of its own, reached by TLS with certificates on both sides:
// WAL goes there, that host takes the backups, and pgBackRest's own commands work on either side.
#include <fstream>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include "backup/restore_trial.h"
#include "backup/testing/backup_fixture.h"
#include "backup/tls_server.h"
#include "net/testing/certificates.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;

class RepositoryHost : public testing::Backup {
 protected:
  RepositoryHost() : server_(io_.get_executor(), testing::aurum_program(), log_) {
    net::testing::write_localhost_pair(root_ / "tls");
    for (auto* node : {&one_, &two_}) {
      auto& backup = *node->config.aurum.backup;
      backup.tls_ca_file = root_ / "tls" / "ca";
      backup.tls_cert_file = root_ / "tls" / "cert";
      backup.tls_key_file = root_ / "tls" / "key";
      backup.tls_listen = "127.0.0.1";
      backup.tls_port = pg::testing::free_port();
      backup.repositories = {{.host = "localhost",
                              .host_port = host_port_,
                              .host_config = (root_ / "host.conf").string()}};
      const auto written = write_pgbackrest_conf(node->config, {});
      EXPECT_TRUE(written) << written.error().text();
    }
    write_host_conf();
  }
  ~RepositoryHost() override {
    server_.stop();
    host_.emit(boost::asio::cancellation_type::terminal);
    // To the end: killing and reaping goes on in a coroutine that looks at host_.
    const Instant until = runtime::now() + seconds(20);
    io_.restart();
    while (host_runs_ && runtime::now() < until) io_.run_one_for(seconds(1));
    EXPECT_FALSE(host_runs_);
  }
  void write_host_conf() {
    const auto& node = one_.config;
    const auto tls = (root_ / "tls").string();
    std::ofstream(root_ / "host.conf")
        << "[global]\nrepo1-path=" << repository().string()
        << "\nrepo1-retention-full=2\nstart-fast=y\nlock-path=" << (root_ / "host.lock").string()
        << "\nlog-path=" << root_.string() << "\nspool-path=" << root_.string()
        << "\ntls-server-address=127.0.0.1\ntls-server-port=" << host_port_
        << "\ntls-server-cert-file=" << tls << "/cert\ntls-server-key-file=" << tls
        << "/key\ntls-server-ca-file=" << tls << "/ca\ntls-server-auth=localhost=demo\n[demo]\n"
        << "pg1-host=localhost\npg1-host-type=tls\npg1-host-port=" << node.aurum.backup->tls_port
        << "\npg1-host-config=" << node.aurum.backup->config_file().string()
        << "\npg1-host-cert-file=" << tls << "/cert\npg1-host-key-file=" << tls
        << "/key\npg1-host-ca-file=" << tls << "/ca\npg1-path=" << node.pg.data_dir.string()
        << "\npg1-port=" << node.pg.port()
        << "\npg1-user=postgres\npg1-socket-path=" << root_.string() << "\n";
  }
  runtime::ProcessSpec on_host(std::vector<std::string> words) {
    words.insert(words.begin(),
                 {testing::pgbackrest_program(), "--config=" + (root_ / "host.conf").string(),
                  "--log-level-console=off", "--log-level-stderr=error"});
    return {.argv = std::move(words), .env = pg::child_environment()};
  }
  void start_servers() {
    auto spec = on_host({"server"});
    spec.timeout = std::chrono::hours(1);
    host_runs_ = true;
    boost::asio::co_spawn(
        io_, runtime::run_process(std::move(spec)),
        boost::asio::bind_cancellation_slot(
            host_.slot(), [this](std::exception_ptr, const auto&) { host_runs_ = false; }));
    server_.keep(one_.config);
    for (const int port : {host_port_, one_.config.aurum.backup->tls_port}) {
      const Instant until = runtime::now() + seconds(20);
      bool up = false;
      while (!up && runtime::now() < until) {
        auto ping =
            on_host({"--tls-server-port=" + std::to_string(port), "server-ping", "localhost"});
        const auto end = wait(runtime::run_process(std::move(ping)));
        up = end && end->ok();
      }
      ASSERT_TRUE(up) << port << log_.text();
    }
  }

  int host_port_ = pg::testing::free_port();
  pg::testing::MemoryLogger log_;
  TlsServer server_;
  boost::asio::cancellation_signal host_;
  bool host_runs_ = false;
};

TEST_F(RepositoryHost, takes_wal_and_backups_through_tls) {
  bootstrap();
  start_servers();
  const auto created = wait(runtime::run_process(on_host({"--stanza=demo", "stanza-create"})));
  ASSERT_TRUE(created && created->ok()) << created->err;
  const auto file = sql(one_, "SELECT pg_walfile_name(pg_switch_wal())");
  const auto archived = report_until([&](const auto& r) { return r.state.ok_file >= file; });
  EXPECT_GE(archived.state.ok_file, file) << archived.state.error;
  const auto taken =
      wait(runtime::run_process(on_host({"--stanza=demo", "--type=full", "backup"})));
  ASSERT_TRUE(taken && taken->ok()) << taken->err;
  // Seen from the database's side.
  const auto catalogue = wait(Pgbackrest(one_.config).catalogue());
  ASSERT_TRUE(catalogue) << catalogue.error().text();
  ASSERT_EQ(catalogue->backups.size(), 1U);
  EXPECT_EQ(catalogue->backups[0].type, "full");
  // And given back, by pgBackRest's own command on another member, and into a scratch folder.
  sql(one_, "CREATE TABLE t AS SELECT 7 AS i");
  const auto newest = sql(one_, "SELECT pg_walfile_name(pg_switch_wal())");
  report_until([&](const auto& r) { return r.state.ok_file >= newest; });
  restore_to_two();
  expect_count(two_, "1");
  const auto trial =
      wait(try_restore(one_.config, {.dir = root_ / "scratch",
                                     .plan = {.backup = catalogue->backups[0], .timeline = 1},
                                     .node = "n1",
                                     .program = testing::aurum_program(),
                                     .database = "postgres",
                                     .checks = {"SELECT i = 7 FROM t"}}));
  EXPECT_TRUE(trial.ok) << trial.error;
  // The backup is that host's to take; newer ones take it from here too.
  const auto here = wait(Pgbackrest(one_.config).take("incr", {}));
  if (testing::pgbackrest_program() != "pgbackrest" && here) return;
  ASSERT_FALSE(here);
  EXPECT_THAT(here.error().text(), ::testing::HasSubstr("Run it on the host that holds"));
}

}  // namespace
}  // namespace aurum::backup
