// HAProxy and PgBouncer are told of a new leader: an HAProxy that looks at nobody itself sends its
// clients to the right one, and those of PgBouncer wait through a switchover without an error.
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "stack/process.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class Routing : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override {
    const auto ports = need(stack::free_ports(4));
    door_ = ports[0];
    admin_ = ports[1];
    pooler_ = ports[2];
    // Nobody answers at the last one: what can not be told must not delay anything.
    plan.overrides = fmt::format(
        R"({{"aurum": {{"routing": {{"haproxy": ["127.0.0.1:{1}", "127.0.0.1:{3}"],
               "pgbouncer": ["127.0.0.1:{2}", "127.0.0.1:{3}"], "pgbouncer_user": "admin",
               "pgbouncer_password": "known to both"}}}}}})",
        door_, admin_, pooler_, ports[3]);
  }
  void SetUp() override {
    for (const char* name : {"haproxy", "pgbouncer"})
      if (const auto found = stack::find_server(name); !found) GTEST_SKIP() << found.error().text();
    ClusterTest::SetUp();
    start_haproxy();
    start_pgbouncer();
  }
  /// The first test has clients of its own.
  bool writes() const override { return false; }
  void TearDown() override {
    through_.reset();
    for (const auto& id : started_) {
      stack::send_signal(id, SIGKILL);
      stack::wait_gone(id, seconds(5));
    }
    ClusterTest::TearDown();
  }
  void write(const std::string& name, const std::string& text) {
    const auto file = cluster().plan().dir / "run" / name;
    std::ofstream(file) << text;
    ::chmod(file.c_str(), 0644);
  }
  void start(std::vector<std::string> argv) {
    stack::Launch what;
    what.log_file = cluster().log_of(argv[0].substr(argv[0].rfind('/') + 1));
    what.argv = std::move(argv);
    started_.push_back(need(stack::launch(what, cluster().account())));
  }
  std::string run_file(const std::string& name) {
    return (cluster().plan().dir / "run" / name).string();
  }
  /// Without checks: what it knows it was told.
  void start_haproxy() {
    std::string conf = fmt::format(
        "global\n  maxconn 200\n  stats socket ipv4@127.0.0.1:{} level admin\ndefaults\n"
        "  mode tcp\n  timeout connect 2s\n  timeout client 1m\n  timeout server 1m\n"
        "  default-server on-marked-down shutdown-sessions\n"
        "listen read-write\n  bind 127.0.0.1:{}\n",
        admin_, door_);
    for (const auto& node : cluster().plan().nodes)
      conf += fmt::format("  server {} {}:{}\n", node.name, node.host, node.postgres_port);
    write("routing.cfg", conf);
    start({"/usr/sbin/haproxy", "-db", "-f", run_file("routing.cfg")});
  }
  void start_pgbouncer() {
    write("routing.users", fmt::format("\"postgres\" \"{}\"\n\"admin\" \"known to both\"\n",
                                       cluster().secrets().superuser));
    write("routing.ini",
          fmt::format("[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\n"
                      "listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n"
                      "pool_mode = transaction\nauth_type = scram-sha-256\nauth_file = {}\n"
                      "admin_users = admin\nserver_login_retry = 0.2\nquery_wait_timeout = 60\n",
                      door_, pooler_, run_file("routing.users")));
    start({"/usr/sbin/pgbouncer", run_file("routing.ini")});
    pooler_id_ = started_.back();
  }
  std::string conninfo(std::uint16_t port) {
    return fmt::format("host=127.0.0.1 port={} user=postgres password={} dbname=postgres", port,
                       cluster().secrets().superuser);
  }
  /// Whose PostgreSQL answers at a door.
  std::string answers(std::uint16_t port) {
    return sql(conninfo(port), "SELECT current_setting('port')").value_or("nobody");
  }
  std::string port_of(std::size_t node) {
    return std::to_string(cluster().plan().nodes[node].postgres_port);
  }
  std::size_t hand_over() {
    const std::size_t old = leader();
    need(cluster().switchover());
    const std::size_t now = other_leader(old);
    wait_healthy();
    return now;
  }

  static inline std::uint16_t door_ = 0, admin_ = 0, pooler_ = 0;  ///< as its plan has them
  std::vector<stack::ProcessId> started_;
  stack::ProcessId pooler_id_;
  std::unique_ptr<stack::Workload> through_;
};

TEST_F(Routing, is_told_of_each_new_leader_and_no_client_of_the_pooler_sees_a_switchover) {
  // Nobody has told it yet: HAProxy takes all for good, and the second one is as good as the first.
  std::size_t lead = hand_over();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(answers(door_), port_of(lead)) << "it goes to a replica";

  need(sql(cluster(), lead, "DROP TABLE IF EXISTS aurum_history"));
  through_ = need(stack::Workload::start(cluster(), {.clients = 4,
                                                     .rate = 80,
                                                     .answer_deadline = seconds(20),
                                                     .connect_deadline = seconds(20),
                                                     .conninfo = conninfo(pooler_)}));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(through_->wait_for_write(runtime::now(), seconds(30)));
    lead = hand_over();
    EXPECT_EQ(answers(door_), port_of(lead));
  }
  ASSERT_TRUE(through_->wait_for_write(runtime::now(), seconds(30)));
  through_->stop();
  EXPECT_GT(through_->history().count(), 50U);
  EXPECT_TRUE(through_->history().unknown_ids().empty()) << "a connection was lost";
  EXPECT_TRUE(through_->history().refused_ids().empty());
  const auto verdict = stack::judge(through_->history(), need(stack::read_rows(cluster())));
  EXPECT_TRUE(verdict.good()) << verdict.text();
}

// A pause outlives whoever asked for it, and a leader's death must not make it last.
TEST_F(Routing, a_pause_ends_when_the_leader_that_asked_for_it_is_gone) {
  begin_history();
  const std::size_t old = hand_over();
  const auto admin = fmt::format(
      "host=127.0.0.1 port={} user=admin password='known to both' dbname=pgbouncer", pooler_);
  EXPECT_EQ(sql(conninfo(pooler_), "SELECT 1").value_or("?"), "1");
  need(sql(admin, "PAUSE"));
  cluster().kill(old, Part::node);
  other_leader(old);
  wait_for("clients", [&] { return sql(conninfo(pooler_), "SELECT 1").has_value(); });
  need(cluster().start_node(old));
  settle_and_judge(Loss::before_takeover);
}

TEST_F(Routing, a_frozen_pooler_stops_no_switchover) {
  begin_history();
  hand_over();  // its console is open from now on
  ASSERT_EQ(sql(conninfo(pooler_), "SELECT 1").value_or("?"), "1");
  stack::send_signal(pooler_id_, SIGSTOP);
  const std::size_t lead = hand_over();
  EXPECT_EQ(answers(door_), port_of(lead));
  stack::send_signal(pooler_id_, SIGCONT);
  // What was asked of it is heard now, the pause too; it ends all the same.
  wait_for("clients", [&] { return answers(pooler_) == port_of(lead); });
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
