// Scenario: files that the pgBackRest server reads are replaced while it runs. What is verified: it
// is told once, and not in between a certificate and its key.
#include "backup/run_deadline.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "runtime/clock.h"

namespace aurum::backup {
namespace {

/// A shell in the place of the server, below backup-run: writes a line for each SIGHUP.
class Watched : public ::testing::Test {
 protected:
  void SetUp() override {
    write("cert");
    write("key");
    const auto script = "trap 'echo hup >>" + said() + "' HUP; echo ready >" + said() +
                        "; while :; do sleep 0.02; done";
    std::vector<std::string> words = {"backup-run", "--parent",   std::to_string(::getpid()),
                                      "--watch",    path("cert"), "--watch",
                                      path("key"),  "sh",         "-c",
                                      script};
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      std::vector<char*> argv;
      for (auto& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::_exit(backup_run_main(static_cast<int>(words.size()), argv.data()));
    }
    ASSERT_TRUE(says("ready\n"));
  }
  /// The shell dies with its parent.
  void TearDown() override {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::string path(const char* name) const { return (dir_ / name).string(); }
  std::string said() const { return path("said"); }
  /// As a renewal does: another file by the same name.
  void write(const char* name) {
    std::filesystem::remove(path(name));
    std::ofstream(path(name)) << name << ++written_;
  }
  bool says(const std::string& text) const {
    const Instant until = runtime::now() + seconds(10);
    std::string got;
    do {
      std::ifstream file(said());
      got.assign(std::istreambuf_iterator<char>(file), {});
      if (got == text) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    } while (runtime::now() < until);
    ADD_FAILURE() << "it said " << got;
    return false;
  }

  testing::TempDir dir_;
  pid_t pid_ = -1;
  int written_ = 0;
};

TEST_F(Watched, is_told_when_a_file_is_another_one) {
  write("cert");
  EXPECT_TRUE(says("ready\nhup\n"));
  write("key");
  EXPECT_TRUE(says("ready\nhup\nhup\n"));
}

TEST(ReplacedFiles, are_told_once_and_not_while_they_are_being_replaced) {
  const FileMarks old = {{1, 10}, {2, 10}}, half = {{3, 20}, {2, 10}}, all = {{3, 20}, {4, 30}};
  ReplacedFiles replaced(old);
  EXPECT_FALSE(replaced.settled(old));
  EXPECT_FALSE(replaced.settled(half));
  EXPECT_FALSE(replaced.settled(all));
  EXPECT_TRUE(replaced.settled(all));
  EXPECT_FALSE(replaced.settled(all));
  // There and back between two looks is nothing to tell.
  EXPECT_FALSE(replaced.settled(old));
  EXPECT_FALSE(replaced.settled(all));
  EXPECT_FALSE(replaced.settled(all));
}

}  // namespace
}  // namespace aurum::backup
