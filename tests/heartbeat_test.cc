// Heartbeats with real etcd and PostgreSQL: a leader is followed within seconds although its lease
// would last for 30, and whatever it does then it is no second writer.
#include <nlohmann/json.hpp>

#include "model/cluster.h"
#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class Heartbeats : public ClusterTest {
 protected:
  void plan(stack::Plan& p) override {
    need(stack::set_agent(p, "aurum@default"));
    p.failsafe = true;
  }
  std::string heartbeat() { return get_key(cluster(), "aurum_heartbeat").value_or(""); }
  bool beats(std::size_t node) {
    const auto beat = model::decode_heartbeat(heartbeat());
    return beat && beat->leader == name(node);
  }
  std::size_t in_the_map() {
    const auto text = get_key(cluster(), "failsafe");
    return text ? nlohmann::json::parse(*text, nullptr, false).size() : 0;
  }
  /// Far below the lease's end, and far above what a busy machine adds.
  static constexpr Duration kSoon = seconds(15);
};

TEST_F(Heartbeats, a_lost_node_is_followed_long_before_its_lease_ends) {
  const std::size_t old = leader();
  wait_for("heartbeats", [&] { return beats(old); });
  ASSERT_TRUE(cluster().kill(old, Part::node));
  const std::size_t next = other_leader(old, kSoon);
  wait_for_writes();
  wait_for("heartbeats of the next one", [&] { return beats(next); });
  need(cluster().start_node(old));
  settle_and_judge(Loss::before_takeover);
  EXPECT_EQ(leader(), next);
}

TEST_F(Heartbeats, a_frozen_agent_wakes_up_as_no_leader_and_its_server_is_gone) {
  const std::size_t old = leader();
  wait_for("heartbeats", [&] { return beats(old); });
  ASSERT_TRUE(cluster().freeze(old, Part::agent));
  other_leader(old, kSoon);
  EXPECT_FALSE(cluster().postmaster(old));
  wait_for_writes();
  ASSERT_TRUE(cluster().thaw(old, Part::agent));
  settle_and_judge(Loss::before_takeover);
  EXPECT_NE(leader(), old);
}

TEST_F(Heartbeats, a_restarted_agent_keeps_its_server_and_its_lock) {
  const std::size_t lead = leader();
  wait_for("heartbeats", [&] { return beats(lead); });
  const auto server = cluster().postmaster(lead);
  ASSERT_TRUE(cluster().kill(lead, Part::agent));
  need(cluster().start_node(lead));
  wait_for("its lock", [&] {
    const auto reply = cluster().rest(lead, "GET", "/primary");
    return reply && reply->status == 200;
  });
  const auto verdict = settle_and_judge();
  EXPECT_EQ(cluster().postmaster(lead), server);
  EXPECT_EQ(verdict.reigns.size(), 1U);
}

// It takes no writes then, heartbeats neither, so nobody could take over; it does answer reads.
TEST_F(Heartbeats, F62_an_etcd_without_space_costs_no_leadership_and_the_log_says_what_to_do) {
  const std::size_t lead = leader();
  wait_for("a map of all members", [this] { return in_the_map() == 3; });
  wait_for("heartbeats", [&] { return beats(lead); });
  const auto log = log_end(lead);
  need(set_etcd_full(cluster(), true));
  const Instant end = runtime::now() + seconds(10);
  while (runtime::now() < end) wait_for_writes(seconds(2));
  const auto said = log_since(lead, log);
  const auto why = said.find("could not renew leadership: ");
  ASSERT_NE(why, std::string::npos) << said;
  EXPECT_NE(said.find("etcd is full: compact and defragment it", why), std::string::npos) << said;
  need(set_etcd_full(cluster(), false));
  wait_for("an end of failsafe mode", [&] {
    const auto reply = cluster().rest(lead, "GET", "/patroni");
    return reply && reply->body.find("failsafe_mode_is_active") == std::string::npos;
  });
  EXPECT_EQ(settle_and_judge().reigns.size(), 1U);
}

TEST_F(Heartbeats, F09_etcd_may_be_gone_and_nobody_is_replaced) {
  const std::size_t lead = leader();
  wait_for("a map of all members", [this] { return in_the_map() == 3; });
  wait_for("heartbeats", [&] { return beats(lead); });
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster().kill_etcd(i));
  const Instant end = runtime::now() + seconds(10);  // four times as long as one heartbeat lasts
  while (runtime::now() < end) wait_for_writes(seconds(2));
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  wait_for("an end of failsafe mode", [&] {
    const auto reply = cluster().rest(lead, "GET", "/patroni");
    const auto status = nlohmann::json::parse(reply ? reply->body : "", nullptr, false);
    return status.is_object() && !status.value("failsafe_mode_is_active", false);
  });
  const auto verdict = settle_and_judge();
  EXPECT_EQ(leader(), lead);
  EXPECT_EQ(verdict.reigns.size(), 1U);
}

TEST_F(Heartbeats, a_pause_ends_them_and_its_end_begins_them_again) {
  const std::size_t lead = leader();
  wait_for("heartbeats", [&] { return beats(lead); });
  ask(lead, "PATCH", "/config", R"({"pause": true})", 200);
  wait_for("no heartbeats", [&] { return heartbeat().empty(); });
  wait_for("the pause",
           [&] { return get_key(cluster(), "aurum_maintenance").value_or("") == name(lead); });
  ask(lead, "PATCH", "/config", R"({"pause": null})", 200);
  wait_for("heartbeats", [&] { return beats(lead); });
  const auto verdict = settle_and_judge();
  EXPECT_EQ(verdict.reigns.size(), 1U);
}

}  // namespace
}  // namespace aurum::tests
