// ctl against a real etcd that holds a cluster written by the test; no agent runs.

#include <arpa/inet.h>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/testing/ports.h"
#include "cli/ctl.h"
#include "cli/world.h"
#include "runtime/log.h"
#include "runtime/process.h"

extern char** environ;

namespace aurum::cli {
namespace {

using aurum::testing::free_port;

/// One etcd in a temporary directory, killed and removed at the end.
class Etcd {
 public:
  Etcd() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ctl-test-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    const std::string client = fmt::format("http://127.0.0.1:{}", port_);
    const std::string peer = fmt::format("http://127.0.0.1:{}", free_port());
    std::vector<std::string> words = {"etcd",
                                      "--name=one",
                                      "--data-dir=" + directory_ + "/data",
                                      "--listen-client-urls=" + client,
                                      "--advertise-client-urls=" + client,
                                      "--listen-peer-urls=" + peer,
                                      "--initial-advertise-peer-urls=" + peer,
                                      "--initial-cluster=one=" + peer,
                                      "--logger=zap",
                                      "--log-outputs=" + directory_ + "/log"};
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawnp(&pid_, "etcd", nullptr, nullptr, argv.data(), environ), 0);
  }
  ~Etcd() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    std::error_code none;
    std::filesystem::remove_all(directory_, none);
  }
  Etcd(const Etcd&) = delete;
  Etcd& operator=(const Etcd&) = delete;
  int port() const { return port_; }
  const std::string& directory() const { return directory_; }

 private:
  int port_ = free_port();
  std::string directory_;
  pid_t pid_ = 0;
};

class Ctl : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"PATRONICTL_CONFIG_FILE", "DCS_URL"}) unsetenv(name);
    config_ = etcd_.directory() + "/node.yml";
    std::ofstream(config_) << fmt::format("scope: demo\netcd3: {{host: '127.0.0.1:{}'}}\n",
                                          etcd_.port());
    write({{"initialize", "7711068554931311871"},
           {"config", R"({"ttl":30,"loop_wait":10,"postgresql":{"parameters":{"a.b":1}}})"},
           {"leader", "node-0"},
           {"history", R"([[1,67406048,"no recovery target specified",)"
                       R"("2026-11-22T18:48:09.437546+00:00","node-0"]])"},
           {"status", R"({"optime":67109056})"},
           {"members/node-0", R"({"conn_url":"postgres://10.0.0.1:5432/postgres",)"
                              R"("api_url":"http://127.0.0.1:1/patroni","state":"running",)"
                              R"("role":"primary","timeline":2,"xlog_location":67109056})"},
           {"members/node-1", R"({"conn_url":"postgres://10.0.0.2:5432/postgres",)"
                              R"("api_url":"http://127.0.0.1:1/patroni","state":"running",)"
                              R"("role":"replica","timeline":2,"replay_lsn":67109056,)"
                              R"("receive_lsn":67109056,"replication_state":"streaming"})"}});
  }

  std::unique_ptr<World> world() {
    model::LocalConfig config;
    config.etcd.hosts = {fmt::format("127.0.0.1:{}", etcd_.port())};
    return make_world(config, runtime::null_logger());
  }

  void write(std::vector<std::pair<std::string, std::string>> keys) {
    model::Txn txn;
    for (auto& [key, value] : keys) txn.then.push_back({model::Write::What::put, key, value});
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    for (;;) {
      const auto done = world()->txn({"demo"}, txn);
      if (done) return;
      ASSERT_LT(std::chrono::steady_clock::now(), until) << done.error().text();
    }
  }

  int ctl(std::vector<std::string> words) {
    words.insert(words.begin(), "ctl");
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    std::ostringstream out;
    std::ostringstream err;
    auto* const real_out = std::cout.rdbuf(out.rdbuf());
    auto* const real_err = std::cerr.rdbuf(err.rdbuf());
    const int code = ctl_main(static_cast<int>(argv.size()), argv.data(), "aurum ctl");
    std::cout.rdbuf(real_out);
    std::cerr.rdbuf(real_err);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  Etcd etcd_;
  std::string config_, out_, err_;
};

TEST_F(Ctl, ShowsAClusterAndChangesItsConfiguration) {
  ASSERT_EQ(ctl({"-c", config_, "list"}), 0) << err_;
  EXPECT_EQ(
      out_,
      "+ Cluster: demo (7711068554931311871) ----+----+-------------+-----+------------+-----+\n"
      "| Member | Host     | Role    | State     | TL | Receive LSN | Lag | Replay LSN | Lag |\n"
      "+--------+----------+---------+-----------+----+-------------+-----+------------+-----+\n"
      "| node-0 | 10.0.0.1 | Leader  | running   |  2 |             |     |            |     |\n"
      "| node-1 | 10.0.0.2 | Replica | streaming |  2 |   0/40000C0 |   0 |  0/40000C0 |   0 |\n"
      "+--------+----------+---------+-----------+----+-------------+-----+------------+-----+\n");
  ASSERT_EQ(ctl({"-c", config_, "history"}), 0);
  EXPECT_EQ(out_,
            "+----+----------+------------------------------+----------------------------------+"
            "------------+\n"
            "| TL |      LSN | Reason                       | Timestamp                        |"
            " New Leader |\n"
            "+----+----------+------------------------------+----------------------------------+"
            "------------+\n"
            "|  1 | 67406048 | no recovery target specified | 2026-11-22T18:48:09.437546+00:00 |"
            " node-0     |\n"
            "+----+----------+------------------------------+----------------------------------+"
            "------------+\n");
  ASSERT_EQ(ctl({"-c", config_, "edit-config", "--force", "-s", "ttl=20", "-p", "work_mem=8MB"}),
            0);
  EXPECT_EQ(out_,
            "--- \n+++ \n@@ -2,4 +2,5 @@\n postgresql:\n   parameters:\n     a.b: 1\n-ttl: 30\n"
            "+    work_mem: 8MB\n+ttl: 20\nConfiguration changed\n");
  ASSERT_EQ(ctl({"-c", config_, "show-config"}), 0);
  EXPECT_EQ(
      out_,
      "loop_wait: 10\npostgresql:\n  parameters:\n    a.b: 1\n    work_mem: 8MB\nttl: 20\n\n");
}

TEST_F(Ctl, FallsBackToTheStoreWhenNoAgentListens) {
  ASSERT_EQ(ctl({"-c", config_, "switchover", "--force", "--candidate", "node-1"}), 0) << err_;
  EXPECT_NE(out_.find(" Could not switchover using Patroni api, falling back to DCS\n"),
            std::string::npos)
      << out_;
  const auto view = world()->read({"demo"});
  ASSERT_TRUE(view && view->failover);
  EXPECT_EQ(view->failover->leader, "node-0");
  EXPECT_EQ(view->failover->candidate, "node-1");
  ASSERT_EQ(ctl({"-c", config_, "pause"}), 1);
  EXPECT_EQ(err_, "Error: Can not find accessible cluster member\n");
}

TEST_F(Ctl, NamesWhatItFoundWhenTheClusterIsUnknown) {
  const std::string url = fmt::format("etcd3://127.0.0.1:{}/service", etcd_.port());
  ASSERT_EQ(ctl({"-d", url, "show-config", "dmeo"}), 1);
  EXPECT_EQ(err_,
            "Error: The config key does not exist in the cluster dmeo\n"
            "hint: There is no cluster dmeo in this namespace; found: demo.\n");
}

TEST_F(Ctl, RemovesNothingButTheCluster) {
  std::istringstream answers("demo\nYes I am aware\nnode-0\n");
  auto* const real_in = std::cin.rdbuf(answers.rdbuf());
  ASSERT_TRUE(world()->txn({"demo2"}, {.then = {{model::Write::What::put, "leader", "x"}}}));
  EXPECT_EQ(ctl({"-c", config_, "remove", "demo"}), 0) << err_;
  std::cin.rdbuf(real_in);
  EXPECT_TRUE(world()->read({"demo"})->members.empty());
  EXPECT_EQ(world()->clusters(), std::vector<std::string>{"demo2"});
}

TEST_F(Ctl, SaysWhichEndpointItTried) {
  ASSERT_EQ(ctl({"-d", "etcd3://127.0.0.1:1", "list", "demo"}), 1);
  EXPECT_TRUE(err_.starts_with("Error: ")) << err_;
  EXPECT_NE(err_.find("127.0.0.1:1"), std::string::npos) << err_;
  EXPECT_NE(err_.find("\nhint: "), std::string::npos) << err_;
  ASSERT_EQ(ctl({"-c", "/nowhere/node.yml", "list"}), 1);
  EXPECT_TRUE(
      err_.starts_with("Error: Provided config file /nowhere/node.yml not existing or no "
                       "read rights. Check the -c/--config-file parameter\nhint: "))
      << err_;
}

}  // namespace
}  // namespace aurum::cli
