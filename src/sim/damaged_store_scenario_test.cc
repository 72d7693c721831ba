// Somebody writes rubbish over keys of the store: who led goes on and mends them.

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class DamagedStore : public Scenario {
 protected:
  void put(const std::string& key, const std::string& value) {
    w().store.txn({.when = {}, .then = {{.key = key, .value = value}}});
  }
  std::string initialize() { return w().store.view().initialize.value_or("(absent)"); }
  void expect_nothing_happened(const Node& leader, model::Timeline timeline_before) {
    EXPECT_EQ(w().writer(), &leader) << w().describe();
    EXPECT_EQ(timeline(), timeline_before);
    for (Node* n : w().nodes()) EXPECT_FALSE(n->exited) << w().describe();
  }
};

TEST_F(DamagedStore, a_running_cluster_mends_its_identity) {
  begin();
  const model::Timeline before = timeline();
  const std::string identity = initialize();
  for (const auto& damage :
       {std::string("\x01{["), identity.substr(0, 4), identity + identity + identity}) {
    put("initialize", damage);
    EXPECT_TRUE(w().run_until([&] { return initialize() == identity; }, seconds(20)))
        << w().describe();
    w().run_for(seconds(5));
    expect_nothing_happened(old_primary(), before);
  }
}

TEST_F(DamagedStore, a_running_cluster_mends_its_configuration) {
  begin({.dcs = dcs({{"ttl", 10}, {"loop_wait", 2}})});
  const model::Timeline before = timeline();
  const model::Value config = w().store.view().config;
  for (const auto* damage : {"\x01{[", "{\"ttl\":", "[]", ""}) {
    put("config", damage);
    EXPECT_TRUE(w().run_until([&] { return w().store.view().config == config; }, seconds(20)))
        << w().describe();
    expect_nothing_happened(old_primary(), before);
    EXPECT_EQ(old_primary().core->state().timing.ttl, seconds(10));
  }
}

// Members that were of this cluster before elect a leader all the same, and it mends the key.
TEST_F(DamagedStore, a_lost_leader_is_replaced_although_the_identity_is_damaged) {
  begin();
  const std::string identity = initialize();
  w().power_off(old_primary());
  put("initialize", "rubbish");
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr && initialize() == identity; },
                            seconds(60)))
      << w().describe();
}

// It may hold another cluster's data: it touches nothing, and goes on once the key is mended.
TEST_F(DamagedStore, a_node_that_begins_while_nobody_knows_the_identity_waits) {
  begin({.nodes = 1});
  const std::string identity = initialize();
  w().kill_agent(old_primary());
  w().kill_server(old_primary());
  w().run_for(seconds(30));  // the lock ends
  put("initialize", "rubbish");
  w().start_agent(old_primary());
  w().run_for(seconds(30));
  EXPECT_FALSE(old_primary().exited) << w().describe();
  EXPECT_EQ(w().writer(), nullptr);
  EXPECT_EQ(initialize(), "rubbish");
  put("initialize", identity);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

}  // namespace
}  // namespace aurum::sim
