#pragma once

#include <arpa/inet.h>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/testing/ports.h"
#include "model/value.h"
#include "pg/files.h"
#include "pg/postgres.h"

/// Two real PostgreSQL servers on loopback in a temporary directory, for the tests of this room.
namespace aurum::pg::testing {

namespace asio = runtime::asio;

/// The postmaster as a child of the test. Its standard error goes to a file, of which the last line
/// is kept.
class ChildLauncher : public Launcher {
 public:
  explicit ChildLauncher(fs::path log) : log_(std::move(log)) {}
  ~ChildLauncher() override {
    for (int pid : pids_) {
      ::kill(pid, SIGCONT);
      ::kill(-pid, SIGKILL);
      ::kill(pid, SIGKILL);
      reap(pid, true);
    }
  }
  Task<Result<int>> launch(std::vector<std::string> argv, std::vector<std::string> env,
                           std::string dir) override {
    std::vector<char*> args, vars;
    for (auto& a : argv) args.push_back(a.data());
    for (auto& v : env) vars.push_back(v.data());
    args.push_back(nullptr);
    vars.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log_.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_addchdir_np(&actions, dir.c_str());
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, args[0], &actions, &attributes, args.data(), vars.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) co_return fail(Code::io, "cannot run " + argv[0]);
    argv_ = std::move(argv);
    pids_.push_back(pid);
    co_return pid;
  }
  Status signal(int pid, int signo) override {
    if (::kill(pid, signo) != 0) return fail(Code::not_found, "no process");
    return {};
  }
  Task<Status> kill_all(int pid, Duration timeout) override {
    kills_++;
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
    const bool ended = co_await wait_process_end(pid, timeout);
    reap(pid, true);
    if (!ended) co_return fail(Code::timeout, "it lives");
    co_return Status{};
  }
  Task<Status> adopt(int) override { co_return Status{}; }
  std::string last_words(int) override {
    std::ifstream file(log_);
    std::string line, last;
    while (std::getline(file, line))
      if (line.find("FATAL") != std::string::npos ||
          line.find("LOG:  shutting") == std::string::npos)
        last = line;
    return last;
  }
  static void reap(int pid, bool wait) { ::waitpid(pid, nullptr, wait ? 0 : WNOHANG); }
  const std::vector<std::string>& argv() const { return argv_; }
  int kills() const { return kills_; }
  fs::path log() const { return log_; }

 private:
  fs::path log_;
  std::vector<int> pids_;
  std::vector<std::string> argv_;
  int kills_ = 0;
};

using aurum::testing::free_port;

inline std::filesystem::path temporary_root() {
  char name[] = "/tmp/aurum-pg-XXXXXX";
  const char* made = ::mkdtemp(name);
  if (!made) std::abort();
  return made;
}

/// Everything of the test's log, to look for passwords in.
class MemoryLogger : public runtime::Logger {
 public:
  void log(runtime::Level, std::string_view, std::string_view text, const Fields&) override {
    text_ += std::string(text) + "\n";
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct Node {
  Node(asio::io_context& io, runtime::Pool& pool, const fs::path& root, const std::string& name)
      : config(make(root, name, free_port())),
        launcher(root / (name + ".log")),
        pg(io.get_executor(), pool, config, launcher, log) {}

  static model::LocalConfig make(const fs::path& root, const std::string& name, int port) {
    model::LocalConfig c;
    c.name = name;
    c.scope = "demo";
    c.pg.listen = "127.0.0.1:" + std::to_string(port);
    c.pg.connect_address = c.pg.listen;
    c.pg.data_dir = root / name;
    c.pg.config_dir = c.pg.data_dir;
    if (const char* bin = std::getenv("AURUM_TEST_PG_BIN")) c.pg.bin_dir = bin;
    c.pg.pgpass = root / (name + ".pgpass");
    c.pg.superuser = {.username = "postgres", .password = "su:per\\'secret"};
    c.pg.replication = {.username = "replicator", .password = "repl secret"};
    c.pg.rewind = {.username = "rewinder", .password = "rewind secret"};
    c.pg.create_replica_methods = {"basebackup"};
    c.pg.parameters =
        *model::parse_yaml("{unix_socket_directories: " + root.string() + ", fsync: off}");
    c.bootstrap.present = true;
    c.bootstrap.initdb = *model::parse_yaml(
        "[data-checksums, no-sync, {encoding: UTF8}, {auth-host: scram-sha-256}]");
    return c;
  }
  model::Upstream upstream() const { return {config.name, "127.0.0.1", config.pg.port()}; }

  model::LocalConfig config;
  MemoryLogger log;
  ChildLauncher launcher;
  Postgres pg;
};

class PostgresSystem : public ::testing::Test {
 protected:
  PostgresSystem()
      : root_(temporary_root()),
        pool_(3),
        one_(io_, pool_, root_, "node-1"),
        two_(io_, pool_, root_, "node-2") {}
  void TearDown() override {
    if (HasFailure())
      for (auto* node : {&one_, &two_}) {
        std::ifstream file(node->launcher.log());
        std::cerr << "--- " << node->config.name << "\n" << file.rdbuf() << node->log.text();
      }
  }
  ~PostgresSystem() override {
    stop_quietly(one_);
    stop_quietly(two_);
    std::error_code ec;
    fs::remove_all(root_, ec);
  }
  void stop_quietly(Node& node) {
    if (auto live = find_postmaster(node.config.pg.data_dir)) {
      ::kill(live->file.pid, SIGCONT);
      ::kill(live->file.pid, SIGQUIT);
      wait(wait_process_end(live->file.pid, seconds(5)));
    }
  }

  template <class T>
  T wait(Task<T> task) {
    std::optional<T> out;
    std::exception_ptr thrown;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr problem, T value) {
      thrown = problem;
      if (!problem) out = std::move(value);
    });
    io_.restart();
    while (!out && !thrown && io_.run_one_for(std::chrono::seconds(60)) > 0) {
    }
    if (thrown) std::rethrow_exception(thrown);
    if (!out) throw std::runtime_error("a task did not end in a minute");
    return std::move(*out);
  }

  std::string sql(Node& node, std::string text) {
    Session session(io_.get_executor());
    Keywords keywords{{"hostaddr", "127.0.0.1"},
                      {"port", std::to_string(node.config.pg.port())},
                      {"user", "postgres"},
                      {"password", node.config.pg.superuser.password},
                      {"dbname", "postgres"}};
    auto connected = wait(session.connect(keywords, seconds(5)));
    if (!connected) return "connect: " + connected.error().text();
    auto rows = wait(session.query(std::move(text), seconds(20)));
    if (!rows) return "error: " + rows.error().text();
    return rows->text(0, std::size_t{0});
  }

  void bootstrap() {
    auto made = wait(one_.pg.initdb(dynamic_));
    ASSERT_TRUE(made) << made.error().text();
    system_identifier_ = *made;
    auto started = wait(one_.pg.start(model::PgTarget{.primary = true}, dynamic_, seconds(30)));
    ASSERT_TRUE(started) << started.error().text();
    EXPECT_TRUE(wait(one_.pg.probe(seconds(2))).founding);
    auto roles = wait(one_.pg.post_bootstrap());
    ASSERT_TRUE(roles) << roles.error().text();
    EXPECT_TRUE(wait(one_.pg.probe(seconds(2))).founding) << "nobody knows of it yet";
    auto ended = wait(one_.pg.end_founding());
    ASSERT_TRUE(ended) << ended.error().text();
    EXPECT_FALSE(wait(one_.pg.probe(seconds(2))).founding);
  }
  void make_replica() {
    auto cloned = wait(
        two_.pg.clone({one_.upstream()}, false, [this](std::string text) { progress_ = text; }));
    ASSERT_TRUE(cloned) << cloned.error().text();
    EXPECT_EQ(cloned->method, "basebackup");
    auto slots = wait(one_.pg.change_slots({.create = {"node_2", "node_2"}}));
    ASSERT_TRUE(slots) << slots.error().text();  // a second creation is no error
    auto started = wait(two_.pg.start(follow(one_, "node_2"), dynamic_, seconds(30)));
    ASSERT_TRUE(started) << started.error().text();
  }
  /// Kills the server with everything of it.
  void crash(Node& node) {
    const int pid = find_postmaster(node.config.pg.data_dir)->file.pid;
    auto killed = wait(node.launcher.kill_all(pid, seconds(5)));
    ASSERT_TRUE(killed) << killed.error().text();
    for (int orphan : processes_in(node.config.pg.data_dir)) ::kill(orphan, SIGKILL);
  }
  static model::PgTarget follow(const Node& node, std::string slot = {}) {
    return {.upstream = node.upstream(), .slot_name = std::move(slot)};
  }
  /// Waits for a condition on the probe, at most 20 s.
  model::PgFacts probe_until(Node& node, const std::function<bool(const model::PgFacts&)>& good) {
    const Instant until = runtime::now() + seconds(20);
    for (;;) {
      auto facts = wait(node.pg.probe(seconds(2)));
      if (good(facts) || runtime::now() > until) return facts;
    }
  }

  fs::path root_;
  asio::io_context io_{1};
  runtime::Pool pool_;
  Node one_, two_;
  model::DynamicConfig dynamic_;
  std::string system_identifier_, progress_;
};

}  // namespace aurum::pg::testing
