// Leadership moves because somebody asks for it.
#include <ctime>
#include <fstream>
#include <signal.h>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class Switchover : public ClusterTest {
 protected:
  std::string request(std::size_t from, const std::string& more = {}) {
    return fmt::format(R"({{"leader":"{}"{}}})", name(from), more);
  }
};

std::string utc_in(int seconds_ahead) {
  const std::time_t at = std::time(nullptr) + seconds_ahead;
  std::tm utc{};
  ::gmtime_r(&at, &utc);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", &utc);
  return text;
}

TEST_F(Switchover, a_named_one_goes_where_it_was_told_and_loses_nothing) {
  const std::size_t old = leader();
  const std::size_t to = (old + 2) % 3;
  const auto said = ask(old, "POST", "/switchover",
                        request(old, fmt::format(R"(,"candidate":"{}")", name(to))), 200);
  EXPECT_NE(said.find(name(to)), std::string::npos) << said;
  EXPECT_EQ(leader(), to);
  const auto verdict = settle_and_judge();
  EXPECT_GE(verdict.reigns.size(), 2U);
}

TEST_F(Switchover, an_unnamed_one_goes_to_any_other) {
  const std::size_t old = leader();
  ask(old, "POST", "/switchover", request(old), 200);
  EXPECT_NE(leader(), old);
  settle_and_judge();
}

TEST_F(Switchover, it_may_be_asked_of_a_replica) {
  const std::size_t old = leader();
  ask((old + 1) % 3, "POST", "/switchover", request(old), 200);
  EXPECT_NE(leader(), old);
  settle_and_judge();
}

TEST_F(Switchover, a_scheduled_one_comes_at_its_time_and_a_cancelled_one_does_not) {
  const std::size_t old = leader();
  const int timeline = cluster().observe().nodes[old].timeline;
  ask(old, "POST", "/switchover",
      request(old, fmt::format(R"(,"scheduled_at":"{}")", utc_in(3600))), 202);
  ask(old, "DELETE", "/switchover", "", 200);
  ask(old, "DELETE", "/switchover", "", 404);
  const Instant asked = runtime::now();
  ask(old, "POST", "/switchover", request(old, fmt::format(R"(,"scheduled_at":"{}")", utc_in(6))),
      202);
  const std::size_t next = other_leader(old);
  EXPECT_GE(runtime::now() - asked, seconds(4)) << "it came too early";
  settle_and_judge();
  EXPECT_EQ(cluster().observe().nodes[next].timeline, timeline + 1) << "it came more than once";
}

TEST_F(Switchover, what_can_not_be_is_refused_and_changes_nothing) {
  const std::size_t old = leader();
  const int timeline = cluster().observe().nodes[old].timeline;
  const std::size_t other = (old + 1) % 3;
  ask(old, "POST", "/switchover", request(other), 412);
  ask(old, "POST", "/switchover", request(old, R"(,"candidate":"nobody")"), 412);
  ask(old, "POST", "/switchover", request(old, fmt::format(R"(,"candidate":"{}")", name(old))),
      400);
  ask(old, "POST", "/switchover",
      request(old, fmt::format(R"(,"scheduled_at":"{}")", utc_in(-3600))), 422);
  // A candidate whose agent is gone can not answer for itself.
  ASSERT_TRUE(cluster().kill(other, Part::node));
  ask(old, "POST", "/switchover", request(old, fmt::format(R"(,"candidate":"{}")", name(other))),
      412);
  need(cluster().start_node(other));
  const auto verdict = settle_and_judge();
  EXPECT_EQ(leader(), old);
  EXPECT_EQ(verdict.reigns.size(), 1U);
  EXPECT_EQ(cluster().observe().nodes[old].timeline, timeline);
}

TEST_F(Switchover, a_failover_by_hand_goes_to_its_candidate) {
  const std::size_t old = leader();
  const std::size_t to = (old + 1) % 3;
  ask(to, "POST", "/failover", fmt::format(R"({{"candidate":"{}"}})", name(to)), 200);
  EXPECT_EQ(leader(), to);
  settle_and_judge();
}

/// Its archive_command does not end before it is let.
class SwitchoverBesideAStuckArchiver : public Switchover {
 protected:
  void plan(stack::Plan& plan) override {
    plan.overrides = fmt::format(
        R"({{"postgresql": {{"parameters": {{"archive_mode": "on",
             "archive_command": "until [ -e {} ]; do sleep 0.1; done"}}}}}})",
        go(plan).string());
  }
  static std::filesystem::path go(const stack::Plan& plan) { return plan.dir / "archive-now"; }
  void let_it_end() { std::ofstream(go(cluster().plan())) << "\n"; }
};

TEST_F(SwitchoverBesideAStuckArchiver, does_not_wait_for_its_end) {
  const std::size_t old = leader();
  need(sql(cluster(), old, "SELECT pg_switch_wal()"));
  const auto pid = std::stoi(need(
      sql(cluster(), old, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'archiver'")));
  const Instant asked = runtime::now();
  ask(old, "POST", "/switchover", request(old), 200);
  EXPECT_NE(other_leader(old), old);
  EXPECT_LT(runtime::now() - asked, seconds(20)) << "pg_ctl_timeout is 60";
  EXPECT_EQ(::kill(pid, 0), 0) << "the former leader's archiver has ended: nothing was shown";
  wait_for_writes();
  let_it_end();
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
