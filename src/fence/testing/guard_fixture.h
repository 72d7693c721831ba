#pragma once

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <spawn.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "fence/guard_client.h"
#include "fence/lease_page.h"
#include "fence/processes.h"
#include "fence/protocol.h"
#include "runtime/clock.h"

/// Real guards in a directory of their own. The test program itself is the guard's program: its
/// main() knows "guard".
namespace aurum::fence::testing {

inline bool is_gone(pid_t pid) {
  ProcessFacts facts;
  return !read_process(pid, facts) || facts.dead();
}

/// Looks every few milliseconds until it is so, for at most ten seconds.
template <class F>
bool eventually(F so) {
  auto end = runtime::now() + seconds(10);
  while (!so()) {
    if (runtime::now() > end) return false;
    ::usleep(2'000);
  }
  return true;
}

class GuardTest : public ::testing::Test {
 protected:
  GuardTest() {
    std::string name = "/dev/shm/aurum-guard-test-XXXXXX";
    dir_ = ::mkdtemp(name.data());
    ::prctl(PR_SET_CHILD_SUBREAPER,
            1);  // whatever a test leaves behind becomes our child, and is ended below
  }
  ~GuardTest() override {
    client_.reset();
    auto processes = std::make_unique<ProcessList>();
    for (int found = 1; found > 0;) {
      found = 0;
      processes->for_each([&](const ProcessFacts& facts) {
        if (facts.parent != ::getpid()) return;
        ++found;
        ::kill(facts.pid, SIGKILL);
        ::waitpid(facts.pid, nullptr, 0);
      });
    }
    std::filesystem::remove_all(dir_);
  }

  static std::string self() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

  static pid_t spawn(std::vector<std::string> words) {
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    EXPECT_EQ(::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ), 0);
    return pid;
  }

  /// A guard that is our child, and a client of it.
  void start(std::vector<std::string> more = {"--grace-ms", "50"}) {
    std::vector<std::string> words{self(), "guard", "--run-dir", dir_.string()};
    words.insert(words.end(), more.begin(), more.end());
    guard_ = spawn(words);
    connect();
  }
  void connect() {
    exited_.clear();
    lost_ = false;
    GuardClient::Events events{
        .on_exited = [this](int pid, std::string how) { exited_.emplace_back(pid, how); },
        .on_lost = [this] { lost_ = true; }};
    auto client = await(GuardClient::connect(dir_, seconds(10), std::move(events)));
    ASSERT_TRUE(client) << client.error().text();
    client_ = std::move(*client);
    if (page_) return;
    auto page = LeasePageMap::open(dir_ / kPageName, false);
    ASSERT_TRUE(page) << page.error().text();
    page_.emplace(std::move(*page));
  }

  template <class T>
  T await(Task<T> task) {
    std::optional<T> value;
    boost::asio::co_spawn(io_, std::move(task), [&](std::exception_ptr problem, T result) {
      EXPECT_FALSE(problem);
      value = std::move(result);
    });
    run_until([&] { return value.has_value(); });
    if (!value) throw std::runtime_error("a coroutine did not end in time");
    return std::move(*value);
  }
  template <class F>
  bool run_until(F so) {
    auto end = runtime::now() + seconds(15);
    while (!so() && runtime::now() < end) {
      io_.restart();
      io_.run_one_for(milliseconds(20));
    }
    return so();
  }
  /// Lets the loop run and the guard think: for showing that nothing happens.
  void run_for(Duration time) {
    auto end = runtime::now() + time;
    run_until([&] { return runtime::now() >= end; });
  }

  Result<int> launch(const std::string& script) {
    auto pid = await(client_->launch({"/bin/sh", "-c", script},
                                     {"PATH=/usr/bin:/bin", "DIR=" + dir_.string()}, "/"));
    if (pid) server_ = *pid;
    return pid;
  }
  void set_page(std::uint32_t state, Instant deadline) {
    (*page_)->deadline_ns = deadline.ns;
    (*page_)->state = state;
  }

  /// A pid that a script wrote into the file.
  pid_t pid_in(const std::string& file) {
    pid_t pid = 0;
    eventually([&] { return static_cast<bool>(std::ifstream(dir_ / file) >> pid); });
    EXPECT_GT(pid, 1) << file;
    return pid;
  }
  std::filesystem::path dir_;
  boost::asio::io_context io_{1};
  std::unique_ptr<GuardClient> client_;
  std::optional<LeasePageMap> page_;
  std::vector<std::pair<int, std::string>> exited_;
  bool lost_ = false;
  pid_t guard_ = 0;
  pid_t server_ = 0;
  pid_t by_hand_ = 0;
};

}  // namespace aurum::fence::testing
