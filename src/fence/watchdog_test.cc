// Scenario: a guard with a watchdog, for which a FIFO stands. What is verified: when it is fed, and
// when it may be disarmed.
#include <array>
#include <fcntl.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fence/testing/guard_fixture.h"

namespace aurum::fence::testing {
namespace {

using ::testing::HasSubstr;

/// A FIFO in place of the device, with the testing driver.
class WatchedGuard : public GuardTest {
 protected:
  void begin() {
    start();
    device_ = (dir_ / "watchdog").string();
    ASSERT_EQ(::mkfifo(device_.c_str(), 0600), 0);
    fifo_ = ::open(device_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(fifo_, 0);
    set_page(1, runtime::now() + seconds(60));
    ASSERT_TRUE(launch("sleep 300"));
  }
  ~WatchedGuard() override {
    if (fifo_ >= 0) ::close(fifo_);
  }
  Status arm(Duration timeout, Duration tail = {}) {
    return await(client_->watchdog(device_, "testing", timeout, tail));
  }
  /// What the device was told since the last look.
  std::string told() {
    std::array<char, 4096> text{};
    const ssize_t n = ::read(fifo_, text.data(), text.size());
    return n > 0 ? std::string(text.data(), static_cast<std::size_t>(n)) : "";
  }
  std::string device_;
  int fifo_ = -1;
};

TEST_F(WatchedGuard, the_watchdog_is_fed_while_the_page_allows_writing) {
  begin();
  ASSERT_TRUE(arm(seconds(25)));
  EXPECT_THAT(told(), ::testing::StartsWith("Ctimeout=25\n1"));
  EXPECT_TRUE(eventually([&] { return told().contains('1'); }));
  ASSERT_TRUE(arm(seconds(10))) << "a new time for one that is open";
  EXPECT_THAT(told(), HasSubstr("Ctimeout=10\n1"));
}

TEST_F(WatchedGuard, the_watchdog_is_disarmed_when_the_page_is_idle) {
  begin();
  ASSERT_TRUE(arm(seconds(25)));
  set_page(0, Instant{});
  std::string all;
  EXPECT_TRUE(eventually([&] { return (all += told()).ends_with("V"); })) << all;
  EXPECT_FALSE(arm(seconds(25))) << "only for a primary";
  EXPECT_EQ(told(), "");
}

TEST_F(WatchedGuard, the_watchdog_is_disarmed_behind_the_deadline_only_when_the_server_is_gone) {
  begin();
  ASSERT_TRUE(arm(seconds(25)));
  told();
  set_page(1, runtime::now() + milliseconds(300));
  std::string all;
  EXPECT_TRUE(eventually([&] { return (all += told()).contains('V'); })) << all;
  EXPECT_TRUE(is_gone(server_)) << "disarmed before its server was gone";
}

TEST_F(WatchedGuard, the_watchdog_is_fed_no_more_in_the_tail_of_the_lease) {
  begin();
  ASSERT_TRUE(arm(seconds(25), seconds(50)));
  EXPECT_TRUE(eventually([&] { return told().contains('1'); }));
  set_page(1, runtime::now() + seconds(40));
  run_for(milliseconds(600));
  told();
  run_for(milliseconds(800));
  EXPECT_EQ(told(), "");
}

TEST_F(WatchedGuard, the_watchdog_of_a_guard_that_dies_is_left_armed) {
  begin();
  ASSERT_TRUE(arm(seconds(25)));
  told();
  ::kill(guard_, SIGKILL);
  EXPECT_TRUE(eventually([&] { return is_gone(guard_); }));
  EXPECT_FALSE(told().contains('V'));
}

TEST_F(WatchedGuard, a_watchdog_that_is_not_there_is_told) {
  begin();
  EXPECT_TRUE(arm({})) << "it is looked at";
  EXPECT_EQ(told(), "");
  device_ = (dir_ / "none").string();
  EXPECT_FALSE(arm({}));
  const auto armed = arm(seconds(25));
  ASSERT_FALSE(armed);
  EXPECT_THAT(armed.error().text(), HasSubstr("cannot open the watchdog"));
}

}  // namespace
}  // namespace aurum::fence::testing
