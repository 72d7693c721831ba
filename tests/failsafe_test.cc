// Failsafe mode with a real etcd that is gone: writes go on as long as every member answers.
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class Failsafe : public ClusterTest {
 protected:
  void switch_on() {
    ask(leader(), "PATCH", "/config", R"({"failsafe_mode": true})", 200);
    wait_for("a map of all members", [this] {
      const auto text = get_key(cluster(), "failsafe");
      return text && nlohmann::json::parse(*text, nullptr, false).size() == 3;
    });
  }
  bool in_failsafe(std::size_t node) {
    const auto reply = cluster().rest(node, "GET", "/patroni");
    return reply && nlohmann::json::parse(reply->body, nullptr, false)
                        .value("failsafe_mode_is_active", false);
  }
  bool nobody_writes() {
    for (std::size_t i = 0; i < 3; ++i)
      if (sql(cluster(), i, "SELECT pg_is_in_recovery()").value_or("") == "f") return false;
    return true;
  }
};

TEST_F(Failsafe, without_etcd_writes_go_on_until_a_member_is_lost_too) {
  switch_on();
  const std::size_t lead = leader();
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster().kill_etcd(i));
  wait_for("failsafe mode", [&] { return in_failsafe(lead); });
  const auto ttl = seconds(cluster().plan().ttl);
  const Instant end = runtime::now() + 2 * Duration(ttl);
  while (runtime::now() < end) wait_for_writes(seconds(2));
  EXPECT_TRUE(in_failsafe(replica()));
  EXPECT_EQ(need(cluster().rest(lead, "GET", "/primary")).status, 200);

  // Whoever does not answer may lead elsewhere, for all that is known.
  const std::size_t lost = (lead + 1) % 3;
  ASSERT_TRUE(cluster().kill(lost, Part::agent));
  wait_for("an end of writing", [&] { return nobody_writes(); });
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  need(cluster().start_node(lost));
  wait_for_writes(seconds(90));
  settle_and_judge();
}

// The members have promised for seconds yet; a leader that ends by itself tells them.
TEST_F(Failsafe, an_outage_ends_with_the_same_leader_and_a_switchover_at_once) {
  switch_on();
  const std::size_t lead = leader();
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster().kill_etcd(i));
  wait_for("failsafe mode", [&] { return in_failsafe(lead); });
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  wait_for("the store's leader",
           [&] { return get_key(cluster(), "leader").value_or("") == name(lead); });
  wait_healthy();
  EXPECT_EQ(leader(), lead);
  need(cluster().switchover());
  other_leader(lead, seconds(10));
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
