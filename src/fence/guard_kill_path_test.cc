// The kill path waits for nothing: what the guard is granted, and that it needs nothing more when
// the time has come (README.md, 1).
#include <algorithm>
#include <array>
#include <cstring>
#include <sched.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fence/server.h"
#include "fence/testing/guard_fixture.h"

namespace aurum::fence::testing {
namespace {

class GuardKillPath : public GuardTest {
 protected:
  static std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

// Both need rights that a test is not given everywhere, and that sanitizers take away.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
TEST_F(GuardKillPath, is_hard_to_starve_and_its_server_is_as_any_process) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs the rights of root";
  start();
  ASSERT_TRUE(launch("exec sleep 300"));
  const auto of = [](pid_t pid, const char* file) {
    return read_file("/proc/" + std::to_string(pid) + "/" + file);
  };
  const auto kilobytes = [&](pid_t pid, const std::string& field) {
    const std::string status = of(pid, "status");
    const auto at = status.find("\n" + field + ":");
    return at == std::string::npos ? -1 : std::atoi(status.c_str() + at + field.size() + 2);
  };
  // The kernel itself locks a page or two of any process.
  EXPECT_GT(kilobytes(guard_, "VmLck"), kilobytes(guard_, "VmRSS") / 2);
  // Nor is root given it in a control group without a share of real time (sched(7)).
  const sched_param lowest{.sched_priority = 1}, none{.sched_priority = 0};
  const bool may_be_real_time = ::sched_setscheduler(0, SCHED_RR, &lowest) == 0;
  ASSERT_EQ(::sched_setscheduler(0, SCHED_OTHER, &none), 0);
  EXPECT_EQ(::sched_getscheduler(guard_),
            may_be_real_time ? SCHED_RR | SCHED_RESET_ON_FORK : SCHED_OTHER);
  // In a container even root may lack the right to lower it.
  const std::string before = of(::getpid(), "oom_score_adj");
  const bool may_lower =
      static_cast<bool>(std::ofstream("/proc/self/oom_score_adj") << "-1000" << std::flush);
  std::ofstream("/proc/self/oom_score_adj") << before;
  EXPECT_EQ(of(guard_, "oom_score_adj"), may_lower ? "-1000\n" : before);
  EXPECT_LT(kilobytes(server_, "VmLck"), kilobytes(server_, "VmRSS") / 2);
  EXPECT_EQ(::sched_getscheduler(server_), SCHED_OTHER);
  EXPECT_EQ(of(server_, "oom_score_adj"), before);
}

TEST_F(GuardKillPath, allocates_nothing_from_the_deadline_to_the_end_of_the_kill) {
  const auto file = dir_ / "count";
  std::ofstream(file) << std::string(sizeof(std::uint64_t), '\0');
  ::setenv("AURUM_TEST_COUNT", file.c_str(), 1);
  start();
  ::unsetenv("AURUM_TEST_COUNT");
  const auto count = [&] {
    std::uint64_t number = 0;
    const std::string bytes = read_file(file);
    std::memcpy(&number, bytes.data(), std::min(bytes.size(), sizeof number));
    return number;
  };
  ASSERT_TRUE(
      launch("setsid sh -c 'echo $$ > $DIR/frozen.pid; kill -STOP $$; exec sleep 300' &\n"
             "setsid sh -c 'sleep 300 & echo $! > $DIR/deep.pid; wait' &\n"
             "while :; do sleep 300; done"));
  const std::vector<pid_t> pids{server_, pid_in("frozen.pid"), pid_in("deep.pid")};
  // Answered, so whatever we asked for is done.
  ASSERT_TRUE(await(client_->status()));
  const auto before = count();
  EXPECT_GT(before, 0U);
  set_page(1, runtime::now() + milliseconds(200));
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_EQ(count(), before);
  for (const pid_t pid : pids) EXPECT_TRUE(is_gone(pid));
}
#endif

// The first signal that the guard sends a server's processes is no SIGKILL.
TEST_F(GuardKillPath, rehearses_the_kill_with_each_server) {
  const auto server = std::make_unique<Server>(0);
  server->rehearse();
  EXPECT_EQ(server->rehearsed(), 0);
  std::string program = "/bin/sleep", length = "300";
  std::array<char*, 3> argv{program.data(), length.data(), nullptr};
  std::array<char*, 1> env{nullptr};
  ASSERT_TRUE(server->launch("/", argv, env));
  EXPECT_EQ(server->rehearsed(), 1);
  EXPECT_FALSE(is_gone(server->pid()));
}

}  // namespace
}  // namespace aurum::fence::testing
