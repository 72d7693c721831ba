// Scenario: a real PostgreSQL with busy sessions under a guard; its lease ends. Every process of it
// must be gone, also a frozen backend, and the data directory must be startable again by a fresh
// launch.
#include <cstdio>
#include <fstream>
#include <span>
#include <string_view>

#include <gtest/gtest.h>

#include "fence/guard.h"
#include "fence/testing/guard_fixture.h"
#include "runtime/process.h"
#include "runtime/users.h"

namespace aurum::fence::testing {
namespace {

constexpr const char* kBin = "/usr/lib/postgresql/15/bin/";

class PostgresUnderGuard : public GuardTest {
 protected:
  Result<runtime::ProcessEnd> run(std::vector<std::string> argv) {
    return await(runtime::run_process({.argv = std::move(argv), .timeout = seconds(60)}));
  }
  std::string data() const { return (dir_ / "data").string(); }

  Result<int> launch_postgres() {
    auto pid = await(client_->launch(
        {std::string(kBin) + "postgres", "-D", data(), "-c", "listen_addresses=", "-c",
         "unix_socket_directories=" + dir_.string(), "-c", "fsync=off"},
        {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}, data()));
    EXPECT_TRUE(pid) << (pid ? "" : pid.error().text());
    EXPECT_TRUE(eventually([&] { return sql("select 1").has_value(); }));
    return pid;
  }
  std::optional<std::string> sql(const std::string& query) {
    auto end = run({std::string(kBin) + "psql", "-h", dir_.string(), "-XAtqc", query, "postgres"});
    if (!end || !end->ok()) return std::nullopt;
    return end->out.substr(0, end->out.find('\n'));
  }
  /// A session that works without end.
  void busy_session() {
    by_hand_ = spawn({std::string(kBin) + "psql", "-h", dir_.string(), "-Xqc",
                      "select count(*) from generate_series(1, 1000000000000) g", "postgres"});
  }
  std::vector<pid_t> below(pid_t postmaster) {
    std::vector<pid_t> pids;
    auto processes = std::make_unique<ProcessList>();
    processes->for_each([&](const ProcessFacts& facts) {
      if (facts.parent == postmaster && !facts.dead()) pids.push_back(facts.pid);
    });
    return pids;
  }
};

TEST_F(PostgresUnderGuard, nothing_is_left_after_the_deadline) {
  auto init = run({std::string(kBin) + "initdb", "-D", data(), "-A", "trust", "--no-sync"});
  ASSERT_TRUE(init) << init.error().text();
  ASSERT_TRUE(init->ok()) << init->reason();
  start({"--grace-ms", "100"});
  auto pid = launch_postgres();
  ASSERT_TRUE(pid);
  for (int i = 0; i < 4; ++i) busy_session();
  ASSERT_TRUE(eventually([&] {
    return sql("select count(*) >= 4 from pg_stat_activity where state = 'active' and query "
               "like '%series(1, 1000%' and pid <> pg_backend_pid()") == "t";
  }));
  auto frozen =
      sql("select min(pid) from pg_stat_activity where query like '%series(1, 1000%' "
          "and pid <> pg_backend_pid()");
  ASSERT_TRUE(frozen);
  ::kill(std::stoi(*frozen), SIGSTOP);
  auto pids = below(*pid);
  ASSERT_GE(pids.size(), 9);  // 4 sessions and 5 of PostgreSQL's own

  Instant deadline = runtime::now() + milliseconds(300);
  set_page(1, deadline);
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  auto late = runtime::now() - (deadline + milliseconds(100));
  RecordProperty("late_us", static_cast<int>(late.count() / 1000));
  EXPECT_GE(late, Duration(0));
  EXPECT_LT(late, seconds(1));
  for (pid_t one : pids) EXPECT_TRUE(is_gone(one)) << one;
  EXPECT_EQ(exited_[0].second, "killed by signal 9");

  set_page(0, Instant{});
  auto again = launch_postgres();
  ASSERT_TRUE(again);
  EXPECT_EQ(sql("select 2"), "2");
  ::kill(guard_, SIGTERM);  // fast shutdown, then the guard's own end
  int status = -1;
  ASSERT_EQ(::waitpid(guard_, &status, 0), guard_);
  guard_ = 0;
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(is_gone(*again));
  EXPECT_FALSE(std::filesystem::exists(data() + "/postmaster.pid"));
}

}  // namespace
}  // namespace aurum::fence::testing

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "guard") {
    auto options =
        aurum::fence::parse_guard_options({argv + 2, static_cast<std::size_t>(argc - 2)});
    return options ? aurum::fence::run_guard(*options) : 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  if (!std::filesystem::exists(std::string(aurum::fence::testing::kBin) + "postgres")) {
    std::puts("PostgreSQL 15 is not installed: skipped");
    return 0;
  }
  if (::geteuid() == 0) {
    auto postgres = aurum::runtime::find_user("postgres");
    auto became = postgres ? aurum::runtime::become_user(*postgres)
                           : aurum::Status(aurum::fail(postgres.error()));
    if (!became) {
      std::puts(became.error().text().c_str());
      return 1;
    }
    if (::chdir("/") != 0) return 1;
  }
  return RUN_ALL_TESTS();
}
