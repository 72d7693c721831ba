// The agent or its guard dies, hangs, or is told to read its file again, while PostgreSQL is well.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/testing/temp_dir.h"
#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class AgentFaults : public ClusterTest {};

TEST_F(AgentFaults, an_agent_killed_and_restarted_leaves_its_server_and_its_leadership_alone) {
  const std::size_t lead = leader();
  const auto server = cluster().postmaster(lead);
  const int timeline = cluster().observe().nodes[lead].timeline;
  ASSERT_TRUE(cluster().kill(lead, Part::agent));
  need(cluster().start_node(lead));
  const auto verdict = settle_and_judge();
  EXPECT_EQ(cluster().postmaster(lead), server);
  EXPECT_EQ(leader(), lead);
  EXPECT_EQ(cluster().observe().nodes[lead].timeline, timeline);
  EXPECT_EQ(verdict.reigns.size(), 1U);
}

TEST_F(AgentFaults, a_replicas_agent_killed_and_restarted_adopts_its_server) {
  const std::size_t follower = replica();
  const auto server = cluster().postmaster(follower);
  ASSERT_TRUE(cluster().kill(follower, Part::agent));
  need(cluster().start_node(follower));
  settle_and_judge();
  EXPECT_EQ(cluster().postmaster(follower), server);
}

// Without an agent nobody renews the lease: the guard must end the old server before another node
// can lead.
TEST_F(AgentFaults, without_its_agent_the_guard_ends_the_server_before_another_leads) {
  const std::size_t old = leader();
  ASSERT_TRUE(cluster().kill(old, Part::agent));
  const std::size_t next = other_leader(old);
  EXPECT_FALSE(cluster().postmaster(old)) << name(next) << " leads beside the old server";
  wait_for_writes();
  need(cluster().start_node(old));
  const auto verdict = settle_and_judge(Loss::before_takeover);
  EXPECT_GE(verdict.reigns.size(), 2U);
}

// A frozen agent (a debugger, a stopped container without its siblings) notices nothing of its
// lease's end.
TEST_F(AgentFaults, an_agent_frozen_beyond_its_lease_is_no_second_leader_when_it_wakes) {
  const std::size_t old = leader();
  ASSERT_TRUE(cluster().freeze(old, Part::agent));
  other_leader(old);
  EXPECT_FALSE(cluster().postmaster(old));
  wait_for_writes();
  ASSERT_TRUE(cluster().thaw(old, Part::agent));
  const auto verdict = settle_and_judge(Loss::before_takeover);
  EXPECT_GE(verdict.reigns.size(), 2U);
  EXPECT_NE(leader(), old);
}

// The page of a pause names no deadline: the server goes on, and nobody may lead beside it before
// its agent is back (docs/decisions/0009).
TEST_F(AgentFaults, a_pause_that_ends_without_the_leaders_agent_makes_no_second_writer) {
  const std::size_t lead = leader(), other = replica();
  const auto server = cluster().postmaster(lead);
  ask(lead, "PATCH", "/config", R"({"pause": true})", 200);
  wait_for("the pause in the leader's member key", [&] {
    return get_key(cluster(), "members/" + name(lead)).value_or("").contains(R"("pause":true)");
  });
  EXPECT_EQ(get_key(cluster(), "aurum_maintenance").value_or(""), name(lead));
  ASSERT_TRUE(cluster().kill(lead, Part::agent));
  wait_for("the end of the lease", [&] {
    const auto key = get_key(cluster(), "leader");
    return !key && key.error().code == Code::not_found;
  });
  const std::size_t seen = log_end(other);
  ask(other, "PATCH", "/config", R"({"pause": null})", 200);
  wait_for("the others to wait for it", [&] {
    return log_since(other, seen).contains(name(lead) + " may still write, as the pause let it");
  });
  wait_for_writes();
  need(cluster().start_node(lead));
  const auto verdict = settle_and_judge();
  EXPECT_EQ(cluster().postmaster(lead), server);
  EXPECT_EQ(verdict.reigns.size(), 1U);
}

TEST_F(AgentFaults, a_killed_guard_is_revived_and_adopts_the_server) {
  const std::size_t lead = leader();
  const auto server = cluster().postmaster(lead);
  const auto guard = guard_of(cluster(), lead);
  ASSERT_TRUE(guard);
  ASSERT_TRUE(stack::send_signal(*guard, SIGKILL));
  wait_for("another guard", [&] {
    const auto now = guard_of(cluster(), lead);
    return now && now != guard;
  });
  const auto verdict = settle_and_judge();
  EXPECT_EQ(cluster().postmaster(lead), server);
  EXPECT_EQ(verdict.reigns.size(), 1U);
  // The new one does its work: without an agent it ends the server.
  begin_history();
  ASSERT_TRUE(cluster().kill(lead, Part::agent));
  other_leader(lead);
  EXPECT_FALSE(cluster().postmaster(lead));
  need(cluster().start_node(lead));
  settle_and_judge(Loss::before_takeover);
}

// The guard is the second of three: its sleep alone is nobody's business.
TEST_F(AgentFaults, a_frozen_guard_costs_nothing_while_the_agent_renews) {
  const std::size_t lead = leader();
  const auto server = cluster().postmaster(lead);
  const auto guard = guard_of(cluster(), lead);
  ASSERT_TRUE(guard);
  ASSERT_TRUE(stack::send_signal(*guard, SIGSTOP));
  const auto revision = get_key(cluster(), "status").value_or("");
  wait_for("work of the leader",
           [&] { return get_key(cluster(), "status").value_or("") != revision; });
  wait_for_writes();
  ASSERT_TRUE(stack::send_signal(*guard, SIGCONT));
  const auto verdict = settle_and_judge();
  EXPECT_EQ(cluster().postmaster(lead), server);
  EXPECT_EQ(verdict.reigns.size(), 1U);
}

// As a service manager sees it: it waits for every process of the unit, and gives up some time.
/// A clock that is set by what a file says, for whatever begins with its environment (faketime(1)).
/// The monotonic clock is left as it is.
class WallClock {
 public:
  WallClock() {
    for (const char* dir : {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"})
      if (const auto file = std::filesystem::path(dir) / "faketime/libfaketime.so.1";
          std::filesystem::exists(file))
        library_ = file;
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
    set("+0");
  }
  bool exists() const { return !library_.empty(); }
  void set(const std::string& offset) const { std::ofstream(dir_ / "offset") << offset << "\n"; }
  void rule(bool yes) const {
    const std::pair<const char*, std::string> variables[] = {
        {"LD_PRELOAD", library_},
        {"FAKETIME_TIMESTAMP_FILE", dir_ / "offset"},
        {"FAKETIME_NO_CACHE", "1"},
        {"DONT_FAKE_MONOTONIC", "1"},
        {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}};
    for (const auto& [name, value] : variables)
      yes ? ::setenv(name, value.c_str(), 1) : ::unsetenv(name);
  }

 private:
  std::string library_;
  aurum::testing::TempDir dir_;
};

// CLOCK_REALTIME is set by administrators and by NTP: leases, the guard and the fence go by the
// monotonic clock, which nobody sets.
TEST_F(AgentFaults, steps_of_a_leaders_wall_clock_cost_nothing) {
  const WallClock clock;
  if (!clock.exists()) GTEST_SKIP() << "needs libfaketime";
  const std::size_t node = replica();
  need(cluster().stop_node(node));
  clock.rule(true);
  const Status started = cluster().start_node(node);
  clock.rule(false);
  need(started);
  wait_healthy();
  need(cluster().switchover(name(node)));
  wait_for("it to lead", [&] { return cluster().leader() == node; });
  wait_healthy();
  begin_history();
  const auto year = [&] {
    return need(sql(cluster(), node, "SELECT extract(year FROM clock_timestamp())"));
  };
  const auto key = need(cluster().leader_key());
  const std::string now = year();
  for (const char* offset : {"+400d", "-400d", "+0"}) {
    clock.set(offset);
    wait_for("its clock", [&] { return (year() == now) == (std::string(offset) == "+0"); });
    const Instant end = runtime::now() + 2 * Duration(seconds(cluster().plan().ttl));
    while (runtime::now() < end) wait_for_writes(seconds(2));
    EXPECT_EQ(need(cluster().leader_key()).value, name(node));
  }
  const auto verdict = settle_and_judge();
  EXPECT_EQ(verdict.reigns.size(), 1U);
  EXPECT_EQ(leader(), node);
  EXPECT_EQ(need(cluster().leader_key()).mod_revision, key.mod_revision) << "it was taken again";
  need(cluster().stop_node(node));
  need(cluster().start_node(node));
  wait_healthy();
}

TEST_F(AgentFaults, told_to_end_an_agent_leaves_nothing_behind) {
  const std::size_t node = replica();
  const auto agent = cluster().agent(node);
  ASSERT_TRUE(agent);
  ASSERT_TRUE(guard_of(cluster(), node));
  ASSERT_TRUE(stack::send_signal(*agent, SIGTERM));
  ASSERT_TRUE(stack::wait_gone(*agent, seconds(60)));
  // Not waited for: the guard ended before its agent did.
  EXPECT_FALSE(guard_of(cluster(), node));
  EXPECT_FALSE(cluster().postmaster(node));
  need(cluster().start_node(node));
  settle_and_judge();
}

TEST_F(AgentFaults, a_reload_by_signal_applies_the_file_and_a_broken_file_changes_nothing) {
  const std::size_t node = replica();
  const auto file = cluster().config_of(node);
  const std::string good = file_text(file);
  const auto agent = cluster().agent(node);
  ASSERT_TRUE(agent);
  std::ofstream(file, std::ios::app) << "tags:\n  clonefrom: true\n";
  ASSERT_TRUE(stack::send_signal(*agent, SIGHUP));
  wait_for("the tag in the status", [&] {
    auto reply = cluster().rest(node, "GET", "/patroni");
    return reply && reply->body.find("\"clonefrom\"") != std::string::npos;
  });
  const std::size_t end = log_end(node);
  std::ofstream(file, std::ios::app) << "postgresql: [not, a, mapping\n";
  ASSERT_TRUE(stack::send_signal(*agent, SIGHUP));
  wait_for("a complaint", [&] {
    return log_since(node, end).find("the former one stays in force") != std::string::npos;
  });
  std::ofstream(file, std::ios::trunc) << good;
  ASSERT_TRUE(stack::send_signal(*agent, SIGHUP));
  settle_and_judge();
  EXPECT_EQ(cluster().agent(node), agent);
}

}  // namespace
}  // namespace aurum::tests
