#include "stack/process.h"

#include <algorithm>
#include <fstream>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace aurum::stack {
namespace {

namespace fs = std::filesystem;

/// A folder, and an end to everything that works in it.
class ProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "aurum-process-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override {
    EXPECT_TRUE(kill_all([this] { return working_in(dir_); }));
    fs::remove_all(dir_);
  }
  Result<ProcessId> sh(const std::string& script) {
    Launch what;
    what.argv = {"/bin/sh", "-c", script};
    what.environment = {"AURUM_TEST_MARK=" + dir_.string()};
    what.working_dir = dir_;
    what.log_file = dir_ / "log";
    return launch(what, Account{::geteuid(), ::getegid(), {}, "me", false});
  }
  std::string log() {
    std::ifstream in(dir_ / "log");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  fs::path dir_;
};

TEST_F(ProcessTest, a_daemon_is_found_by_pid_file_folder_and_environment) {
  const auto id = sh("echo here; exec sleep 60");
  ASSERT_TRUE(id) << id.error().text();
  ASSERT_TRUE(alive(*id));
  // While a process changes its program, /proc shows no environment.
  for (int i = 0; i < 1000 && inspect(id->pid)->name != "sleep"; ++i) ::usleep(10'000);
  EXPECT_NE(inspect(id->pid)->parent, ::getpid());
  ASSERT_TRUE(write_pid_file(dir_ / "pid", *id));
  EXPECT_EQ(read_pid_file(dir_ / "pid"), *id);
  EXPECT_EQ(working_in(dir_), std::vector<ProcessId>{*id});
  EXPECT_EQ(with_environment("AURUM_TEST_MARK=" + dir_.string()), std::vector<ProcessId>{*id});
  EXPECT_TRUE(send_signal(*id, SIGTERM));
  EXPECT_TRUE(wait_gone(*id, seconds(10)));
  EXPECT_FALSE(read_pid_file(dir_ / "pid"));
  EXPECT_FALSE(send_signal(*id, SIGTERM));
}

TEST_F(ProcessTest, a_pid_with_another_start_time_is_another_process) {
  const auto id = sh("exec sleep 60");
  ASSERT_TRUE(id);
  const ProcessId reused{id->pid, id->start + 1};
  EXPECT_FALSE(alive(reused));
  EXPECT_FALSE(send_signal(reused, SIGKILL));
  EXPECT_TRUE(alive(*id));
}

TEST_F(ProcessTest, a_program_that_cannot_run_is_an_error_at_once) {
  Launch what;
  what.argv = {"/nonexistent/program"};
  what.log_file = dir_ / "log";
  const auto id = launch(what, Account{::geteuid(), ::getegid(), {}, "me", false});
  ASSERT_FALSE(id);
  EXPECT_NE(id.error().message.find("/nonexistent/program"), std::string::npos);
}

TEST_F(ProcessTest, a_whole_tree_dies_at_once) {
  const auto id = sh("sleep 60 & (sleep 60; true) & echo ready; wait");
  ASSERT_TRUE(id);
  for (int i = 0; i < 500 && with_descendants({*id}).size() < 4; ++i) ::usleep(10'000);
  ASSERT_EQ(with_descendants({*id}).size(), 4U);
  EXPECT_TRUE(kill_all([&] { return with_descendants({*id}); }));
  EXPECT_TRUE(kill_all([&] { return working_in(dir_); }));
  EXPECT_TRUE(working_in(dir_).empty());
}

TEST_F(ProcessTest, settings_of_the_callers_clients_stay_outside) {
  ::setenv("PGHOST", "elsewhere", 1);
  ::setenv("PATRONI_NAME", "other", 1);
  const auto id = sh("echo \"[$PGHOST$PATRONI_NAME][$AURUM_TEST_MARK]\"");
  ::unsetenv("PGHOST");
  ::unsetenv("PATRONI_NAME");
  ASSERT_TRUE(id);
  ASSERT_TRUE(wait_gone(*id, seconds(10)));
  EXPECT_EQ(log(), "[][" + dir_.string() + "]\n");
}

}  // namespace
}  // namespace aurum::stack
