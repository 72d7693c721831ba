// A cluster of Debian's Patroni moves to aurum node after node, and back, while clients write.
#include <csignal>

#include <fmt/format.h>

#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class MixedCluster : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override {
    plan.agent = {"patroni"};
    stack::set_ttl(plan, 20);  // Patroni's shortest
    plan.loop_wait = 1;
    plan.retry_timeout = 3;
  }

  bool is_ours(std::size_t node) {
    return get_key(cluster(), "members/" + name(node)).value_or("").find("\"aurum\"") !=
           std::string::npos;
  }
  std::vector<pid_t> postmasters() {
    std::vector<pid_t> found;
    for (std::size_t i = 0; i < 3; ++i)
      found.push_back(cluster().postmaster(i) ? cluster().postmaster(i)->pid : 0);
    return found;
  }
  void start_with(std::size_t node, const std::vector<std::string>& agent) {
    need(cluster().change_agent(node, agent));
    need(cluster().start_node(node));
    wait_for(name(node) + " under its new agent",
             [&] { return is_ours(node) == agent.empty() && cluster().observe().healthy(); });
  }
  void switch_over(std::size_t to) {
    const std::size_t from = leader();
    ask(from, "POST", "/switchover",
        fmt::format(R"({{"leader":"{}","candidate":"{}"}})", name(from), name(to)), 200);
    EXPECT_EQ(leader(), to);
    wait_healthy();
    wait_for_writes();
  }
  /// aurum takes over the running server of a node; nothing happens to PostgreSQL.
  void adopt(std::size_t node, bool paused) {
    const auto before = postmasters();
    if (paused) {
      ask(leader(), "PATCH", "/config", R"({"pause": true})", 200);
      wait_for("the pause at " + name(node), [&] {
        const auto reply = cluster().rest(node, "GET", "/patroni");
        return reply && reply->body.find("\"pause\": true") != std::string::npos;
      });
      const auto agent = cluster().agent(node);
      ASSERT_TRUE(agent && stack::send_signal(*agent, SIGTERM));
      wait_for("the end of an agent", [&] { return !cluster().agent(node); });
    } else {
      ASSERT_TRUE(cluster().kill(node, Part::agent));
    }
    start_with(node, {});
    if (paused) ask(leader(), "PATCH", "/config", R"({"pause": null})", 200);
    EXPECT_EQ(postmasters(), before) << "PostgreSQL was started again";
  }
};

TEST_F(MixedCluster, moves_to_aurum_and_back_and_loses_no_row) {
  const std::size_t first = leader();
  const std::size_t second = (first + 1) % 3, third = (first + 2) % 3;

  // Replicas are adopted as they run; leadership goes from Patroni to aurum and back again while
  // both are members.
  adopt(second, true);
  switch_over(second);
  switch_over(first);
  adopt(third, false);
  adopt(first, true);  // the leader
  EXPECT_EQ(leader(), first);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(is_ours(i)) << name(i);
  settle_and_judge();
}

using FullMixedCluster = MixedCluster;

TEST_F(FullMixedCluster,
       in_synchronous_mode_a_member_that_is_lost_costs_no_row_in_either_direction) {
  ask(leader(), "PATCH", "/config", R"({"synchronous_mode": true})", 200);
  const auto standby = [&] {
    for (const auto& n : cluster().observe().nodes)
      if (n.sync) return true;
    return false;
  };
  wait_for("a synchronous standby", standby);
  // The way back: an orderly stop ends PostgreSQL as well, so that it starts without what aurum
  // loads into it.
  const std::size_t ours = leader();
  const std::size_t theirs = (ours + 1) % 3, last = (ours + 2) % 3;
  need(cluster().stop_node(theirs));
  start_with(theirs, {"patroni"});
  need(cluster().stop_node(last));
  start_with(last, {"patroni"});
  wait_for("a synchronous standby", standby);

  // The aurum primary is lost: a Patroni takes over. Then that one is lost: one of the others.
  ASSERT_TRUE(cluster().kill(ours, Part::node));
  const std::size_t next = other_leader(ours);
  EXPECT_FALSE(is_ours(next));
  wait_for_writes();
  need(cluster().start_node(ours));
  wait_healthy();
  wait_for("a synchronous standby", standby);
  ASSERT_TRUE(cluster().kill(next, Part::node));
  other_leader(next);
  wait_for_writes();
  need(cluster().start_node(next));
  wait_healthy();
  wait_for("a synchronous standby", standby);
  // Only the synchronous standby may be named, so none is.
  if (leader() == ours) {
    ask(ours, "POST", "/switchover", fmt::format(R"({{"leader":"{}"}})", name(ours)), 200);
    other_leader(ours);
    wait_healthy();
  }
  need(cluster().stop_node(ours));
  start_with(ours, {"patroni"});
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(is_ours(i)) << name(i);
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
