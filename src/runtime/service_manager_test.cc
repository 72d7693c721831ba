#include "runtime/service_manager.h"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

namespace aurum::runtime {
namespace {

/// What systemd is to a service: a socket for its datagrams.
class ServiceManagerTest : public ::testing::Test {
 protected:
  void listen_at(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ASSERT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~ServiceManagerTest() override {
    if (fd_ >= 0) ::close(fd_);
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  /// The next message; "" when there is none.
  std::string heard() const {
    std::array<char, 512> text{};
    const ssize_t n = ::recv(fd_, text.data(), text.size(), 0);
    return n > 0 ? std::string(text.data(), static_cast<std::size_t>(n)) : "";
  }

  aurum::testing::TempDir dir_;
  int fd_ = -1;
};

TEST_F(ServiceManagerTest, says_what_happens_to_a_service) {
  listen_at(dir_ / "notify");
  auto manager = ServiceManager::from_environment();
  EXPECT_TRUE(manager.listens());
  manager.ready();
  EXPECT_EQ(heard(), "READY=1");
  manager.alive();
  EXPECT_EQ(heard(), "WATCHDOG=1");
  manager.reloading();
  EXPECT_EQ(heard(), "RELOADING=1");
  manager.stopping();
  EXPECT_EQ(heard(), "STOPPING=1");
}

TEST_F(ServiceManagerTest, an_abstract_name_is_one_too) {
  listen_at("@aurum-test-" + std::to_string(::getpid()));
  auto manager = ServiceManager::from_environment();
  manager.ready();
  EXPECT_EQ(heard(), "READY=1");
}

TEST_F(ServiceManagerTest, a_status_is_one_line_and_said_once) {
  listen_at(dir_ / "notify");
  auto manager = ServiceManager::from_environment();
  manager.status("replica\nREADY=1");
  EXPECT_EQ(heard(), "STATUS=replica READY=1");
  manager.status("replica");
  EXPECT_EQ(heard(), "STATUS=replica");
  manager.status("replica");
  EXPECT_EQ(heard(), "");
}

TEST_F(ServiceManagerTest, children_do_not_inherit_it) {
  listen_at(dir_ / "notify");
  ::setenv("WATCHDOG_USEC", "5000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const auto manager = ServiceManager::from_environment();
  EXPECT_EQ(manager.watchdog(), seconds(5));
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
    EXPECT_EQ(std::getenv(name), nullptr) << name;
}

TEST_F(ServiceManagerTest, the_watchdog_of_another_process_is_none) {
  listen_at(dir_ / "notify");
  ::setenv("WATCHDOG_USEC", "5000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceManager::from_environment().watchdog(), Duration{});
}

TEST_F(ServiceManagerTest, without_a_socket_it_does_nothing) {
  for (const char* name : {"", "relative", "/"}) {
    ::setenv("NOTIFY_SOCKET", name, 1);
    auto manager = ServiceManager::from_environment();
    EXPECT_FALSE(manager.listens()) << name;
    manager.ready();
    manager.status("nobody hears");
  }
}

TEST_F(ServiceManagerTest, a_manager_that_is_gone_or_does_not_read_holds_nothing_up) {
  listen_at(dir_ / "notify");
  auto manager = ServiceManager::from_environment();
  for (int i = 0; i < 10'000; ++i) manager.alive();
  ::close(std::exchange(fd_, -1));
  manager.alive();
}

}  // namespace
}  // namespace aurum::runtime
