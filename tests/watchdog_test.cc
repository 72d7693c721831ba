// The watchdog with real agents and guards; a FIFO stands for the device, with the testing driver.
#include <array>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/testing/temp_dir.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class Watchdog : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override {
    const auto device = dir_.path() / "watchdog";
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
    ASSERT_EQ(::mkfifo(device.c_str(), 0600), 0);
    ASSERT_EQ(::chmod(device.c_str(), 0666), 0);
    fifo_ = ::open(device.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(fifo_, 0);
    plan.overrides = fmt::format(
        R"({{"watchdog": {{"mode": "required", "driver": "testing", "device": "{}"}}}})",
        device.string());
  }
  static void TearDownTestSuite() {
    ClusterTest::TearDownTestSuite();
    if (fifo_ >= 0) ::close(fifo_);
  }
  /// What all devices of the cluster were told since the last look.
  static std::string told() {
    std::array<char, 65536> text{};
    const ssize_t n = ::read(fifo_, text.data(), text.size());
    return n > 0 ? std::string(text.data(), static_cast<std::size_t>(n)) : "";
  }
  void wait_told(const std::string& what) {
    std::string all;
    wait_for("\"" + what + "\" to the watchdog", [&] { return (all += told()).contains(what); });
  }

  static inline testing::TempDir dir_;
  static inline int fifo_ = -1;
};

TEST_F(Watchdog, is_armed_by_who_leads_fed_by_its_guard_and_disarmed_when_its_server_is_gone) {
  wait_told("1");
  const std::size_t lead = leader();
  told();
  need(cluster().switchover());
  const std::size_t next = other_leader(lead);
  wait_told("Ctimeout=2\n1");  // ttl 5, and a margin of half of it
  wait_for_writes();

  // Its agent is gone: the guard ends the server at the deadline, and only then disarms it.
  told();
  ASSERT_TRUE(cluster().kill(next, Part::agent));
  wait_told("V");
  EXPECT_FALSE(cluster().postmaster(next));
  other_leader(next);
  need(cluster().start_node(next));
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
