// --generate-config: a server that runs without an agent is described, the file is accepted by this
// program and by Debian's Patroni, and an agent that gets it takes the server over as it was.

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pg/programs.h"
#include "program_run.h"

namespace aurum::bad_input {
namespace {

using dcs::testing::ChildProcess;
using dcs::testing::EtcdCluster;
using dcs::testing::free_ports;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// PATRONI_* of the programs that a test runs.
class Variables {
 public:
  explicit Variables(std::vector<std::pair<std::string, std::string>> all) : all_(std::move(all)) {
    for (const auto& [name, value] : all_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() {
    for (const auto& [name, value] : all_) ::unsetenv(name.c_str());
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

class GeneratedConfig : public ::testing::Test {
 protected:
  GeneratedConfig() : ports_(free_ports(2)) { etcd_.start_all(); }
  ~GeneratedConfig() override {
    if (started_) run_pg("pg_ctl", {"-m", "immediate", "stop"});
  }

  fs::path data() const { return place_.dir() / "data"; }
  int run_pg(const std::string& name, std::vector<std::string> more) {
    const auto program = pg::find_pg_program(model::PgConfig{}, name, 0);
    if (!program) return -1;
    more.insert(more.begin(), {*program, "-D", data().string()});
    return place_.run(std::move(more));
  }

  /// As a user made it before any agent: with a password, an archive, a line of its own.
  void make_server() {
    write_text(place_.dir() / "pwfile", "it's\n");
    place_.give();
    ASSERT_EQ(run_pg("initdb", {"-U", "boss", "--no-sync", "--auth=scram-sha-256", "--pwfile",
                                (place_.dir() / "pwfile").string()}),
              0);
    std::ofstream(data() / "postgresql.conf", std::ios::app) << fmt::format(
        "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
        "work_mem = '5MB'\narchive_mode = on\narchive_command = '/bin/true'\n",
        ports_[0]);
    start_server();
  }
  void start_server() {
    ASSERT_EQ(run_pg("pg_ctl", {"-w", "-l", (place_.dir() / "pg.log").string(), "start"}), 0)
        << file_text(place_.dir() / "pg.log");
    started_ = true;
  }
  void stop_server() {
    ASSERT_EQ(run_pg("pg_ctl", {"-w", "-m", "fast", "stop"}), 0);
    started_ = false;
  }
  std::string dsn() const {
    return fmt::format("host=127.0.0.1 port={} user=boss password='it\\'s'", ports_[0]);
  }
  Variables variables() const {
    return Variables(
        {{"PATRONI_SCOPE", "made"},
         {"PATRONI_NAME", "node-1"},
         {"PATRONI_ETCD3_HOSTS", etcd_.config().hosts.at(0)},
         {"PATRONI_RESTAPI_LISTEN", fmt::format("127.0.0.1:{}", ports_[1])},
         {"PATRONI_RESTAPI_CONNECT_ADDRESS", fmt::format("192.0.2.1:{}", ports_[1])},
         {"PATRONI_POSTGRESQL_CONNECT_ADDRESS", fmt::format("192.0.2.1:{}", ports_[0])},
         {"PATRONI_POSTGRESQL_PGPASS", (place_.dir() / "pgpass").string()},
         {"PATRONI_REPLICATION_PASSWORD", "two"},
         {"PATRONI_REWIND_PASSWORD", "three"}});
  }
  /// Accepted without a word, by this program and by Debian's Patroni.
  void expect_valid() {
    const Outcome ours = place_.agent({"--validate-config"});
    EXPECT_EQ(ours.exit_code, 0);
    EXPECT_THAT(ours.output, IsEmpty());
    if (!fs::exists("/usr/bin/patroni")) GTEST_SKIP() << "Debian's patroni is not installed";
    EXPECT_EQ(place_.run({"/usr/bin/patroni", "--validate-config", place_.config_file().string()}),
              0)
        << file_text(place_.tools_log());
  }

  Place place_;
  EtcdCluster etcd_{dcs::testing::ClusterOptions{}};
  std::vector<int> ports_;
  bool started_ = false;
};

TEST_F(GeneratedConfig, of_a_running_server_is_valid_and_an_agent_takes_the_server_over) {
  make_server();
  {
    const auto given = variables();
    const Outcome made = place_.agent({"--generate-config", "--dsn", dsn()});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    EXPECT_THAT(made.output, IsEmpty());
  }
  EXPECT_EQ(fs::status(place_.config_file()).permissions(), fs::perms(0600));
  stop_server();
  expect_valid();
  start_server();
  std::ofstream(place_.config_file(), std::ios::app)
      << fmt::format("aurum:\n  run_dir: {}\n", place_.run_dir().string());
  ChildProcess agent = place_.start_agent();
  EXPECT_TRUE(place_.says("no action. I am (node-1), the leader with the lock")) << place_.output();
  agent.signal(SIGTERM);
  EXPECT_EQ(agent.wait(), 0);
  started_ = false;
  EXPECT_THAT(file_text(data() / "postgresql.conf"), HasSubstr("work_mem = '5MB'"));
}

TEST_F(GeneratedConfig, a_sample_is_valid_with_what_the_environment_says) {
  {
    const auto given = variables();
    const Variables more({{"PATRONI_POSTGRESQL_DATA_DIR", data().string()},
                          {"PATRONI_POSTGRESQL_LISTEN", fmt::format("127.0.0.1:{}", ports_[0])},
                          {"PATRONI_SUPERUSER_PASSWORD", "one"}});
    const Outcome made = place_.agent({"--generate-sample-config"});
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  expect_valid();
}

TEST_F(GeneratedConfig, a_server_that_is_not_there_gets_one_line_and_no_file) {
  write_text(place_.config_file(), "kept");
  place_.give();
  const Outcome none = place_.agent({"--generate-config", "--dsn", dsn()});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_EQ(none.errors().size(), 1U) << none.output;
  EXPECT_THAT(none.output, HasSubstr("hint: "));
  EXPECT_EQ(file_text(place_.config_file()), "kept");
  const Outcome odd = place_.agent({"--generate-sample-config", "--dsn", "x"});
  EXPECT_EQ(odd.exit_code, 2) << odd.output;
}

}  // namespace
}  // namespace aurum::bad_input
