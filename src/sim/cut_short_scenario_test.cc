// An agent killed while it makes the cluster: between initdb and the cluster's first entry in the
// store there is a directory that looks like a database and has no roles.

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class Founding : public Scenario {
 protected:
  /// Until initdb's output is there, and then `after` it.
  static bool run_into_founding(World& w, Node& n, Duration after) {
    if (!w.run_until([&] { return n.pg.founding; }, seconds(30))) return false;
    w.run_for(after);
    return true;
  }
};

// The world's own rule: whoever is entered as the cluster's primary has its roles.
TEST_F(Founding, an_agent_killed_at_any_moment_of_it_goes_on_where_it_was) {
  for (int after_ms = 0; after_ms < 700; after_ms += 10) {
    for (const Duration away :
         {Duration(milliseconds(50)), Duration(seconds(2)), Duration(seconds(30))}) {
      World w({.nodes = 1, .seed = static_cast<std::uint64_t>(after_ms) + 1});
      Node& n = w.node("n1");
      w.start_agent(n);
      ASSERT_TRUE(run_into_founding(w, n, milliseconds(after_ms)));
      w.kill_agent(n);
      w.run_for(away);
      w.start_agent(n);
      ASSERT_TRUE(w.run_until_healthy(seconds(60))) << after_ms << " ms\n" << w.describe();
      w.run_for(seconds(3));
      EXPECT_FALSE(n.pg.founding) << after_ms << " ms\n" << w.describe();
      EXPECT_EQ(w.store.view().initialize, n.pg.system_identifier);
      EXPECT_FALSE(w.store.view().config.is_null());
      EXPECT_EQ(w.initdbs, 1);
      ASSERT_TRUE(w.violations.empty()) << w.violations.front() << "\n" << w.describe();
    }
  }
}

TEST_F(Founding, a_host_that_lost_power_goes_on_too) {
  World w({.nodes = 1});
  Node& n = w.node("n1");
  w.start_agent(n);
  ASSERT_TRUE(run_into_founding(w, n, milliseconds(20)));
  w.power_off(n);
  w.run_for(seconds(20));
  w.power_on(n);
  ASSERT_TRUE(w.run_until_healthy(seconds(60))) << w.describe();
  w.run_for(seconds(3));
  EXPECT_FALSE(n.pg.founding);
  EXPECT_EQ(w.initdbs, 1);
  EXPECT_TRUE(w.violations.empty()) << w.violations.front();
}

// initdb may be a restore of hours: a service manager does not wait for it.
TEST_F(Founding, told_to_end_during_initdb_the_agent_leaves_the_place_free) {
  World w({.nodes = 1});
  Node& n = w.node("n1");
  w.start_agent(n);
  ASSERT_TRUE(w.run_until([&] { return n.pg.data == model::DataDir::incomplete; }, seconds(30)));
  w.stop_agent(n);
  ASSERT_TRUE(w.run_until([&] { return n.exited.has_value(); }, milliseconds(300))) << w.describe();
  EXPECT_EQ(n.exited->first, 0) << n.exited->second;
  EXPECT_EQ(w.store.find("initialize"), nullptr);
  EXPECT_TRUE(w.violations.empty()) << w.violations.front();
}

// The same later on: what is there already is gone on with.
TEST_F(Founding, told_to_end_before_the_roles_are_made_it_goes_on_where_it_was) {
  World w({.nodes = 1});
  Node& n = w.node("n1");
  w.start_agent(n);
  ASSERT_TRUE(run_into_founding(w, n, Duration{0}));
  ASSERT_TRUE(
      w.run_until([&] { return n.core->running_action() == "post_bootstrap"; }, seconds(9)));
  w.stop_agent(n);
  ASSERT_TRUE(w.run_until([&] { return n.exited.has_value(); }, seconds(2))) << w.describe();
  EXPECT_TRUE(n.pg.founding);
  w.kill_agent(n);
  w.start_agent(n);
  ASSERT_TRUE(w.run_until([&] { return n.pg.roles; }, seconds(3))) << w.describe();
  ASSERT_TRUE(w.run_until_healthy());
  EXPECT_EQ(w.initdbs, 1);
  EXPECT_TRUE(w.violations.empty()) << w.violations.front();
}

// Somebody else made the cluster meanwhile: what was begun here is not touched, and not joined.
TEST_F(Founding, what_another_node_made_meanwhile_is_not_given_a_second_cluster) {
  World w({.nodes = 3, .seed = 4});
  for (Node* n : w.nodes()) w.start_agent(*n);
  Node* founder = nullptr;
  ASSERT_TRUE(w.run_until(
      [&] {
        for (Node* n : w.nodes()) {
          if (n->pg.founding) founder = n;
        }
        return founder != nullptr;
      },
      seconds(30)));
  w.kill_agent(*founder);
  ASSERT_TRUE(w.run_until([&] { return w.writer() != nullptr; }, seconds(60))) << w.describe();
  w.run_for(seconds(5));
  ASSERT_NE(w.writer(), founder);
  const std::string begun = founder->pg.system_identifier;
  w.start_agent(*founder);
  ASSERT_TRUE(w.run_until([&] { return founder->exited.has_value(); }, seconds(30)));
  EXPECT_NE(founder->exited->second.find("was making a cluster"), std::string::npos);
  EXPECT_EQ(founder->pg.system_identifier, begun);
  EXPECT_EQ(founder->pg.data, model::DataDir::ready);
  EXPECT_NE(w.store.view().initialize, begun);
  EXPECT_TRUE(w.violations.empty()) << w.violations.front();
}

// Seeds 3386, 4862 (storm): its roles were made, nobody was told, and its next agent started it as
// a standby, whose promotion failed: then no store knew it, and no pg_control said "primary".
TEST_F(Founding, a_cluster_that_was_never_registered_survives_a_failed_promotion) {
  World w({.nodes = 1, .dcs = dcs({{"ttl", 30}})});
  Node& n = *w.nodes().front();
  w.start_agent(n);
  ASSERT_TRUE(w.run_until([&] { return n.pg.roles; }, seconds(10)));
  n.reaches_store = false;
  w.run_for(seconds(1));
  w.stop_agent(n);
  w.run_for(seconds(3));
  n.reaches_store = true;
  n.stale = 30;
  n.pg.late_promotions = 1;
  w.start_agent(n);
  w.run_for(seconds(5));
  n.stale = 0;
  EXPECT_TRUE(w.run_until_healthy(seconds(120))) << w.describe();
  EXPECT_TRUE(w.violations.empty()) << w.violations.front();
}

// Seed 200879: its roles were made, and its lock was lost before the store had its identity. Then
// it was started as a standby, and what it had been was known to that agent only.
TEST_F(Founding, a_cluster_that_was_never_registered_survives_the_loss_of_its_lock) {
  for (const bool power : {true, false}) {
    World w({.nodes = 1, .dcs = dcs({{"ttl", 30}})});
    Node& n = *w.nodes().front();
    w.start_agent(n);
    ASSERT_TRUE(w.run_until([&] { return n.pg.roles; }, seconds(10)));
    w.expire_lease(n);
    const auto given_up = [&] { return !n.pg.alive && !n.core->state().bootstrapping; };
    ASSERT_TRUE(w.run_until(given_up, seconds(2)));
    n.reaches_store = false;
    w.run_for(seconds(2));
    power ? w.power_off(n) : w.kill_agent(n);
    w.run_for(seconds(20));
    n.reaches_store = true;
    power ? w.power_on(n) : w.start_agent(n);
    EXPECT_TRUE(w.run_until_healthy(seconds(120))) << w.describe();
    EXPECT_EQ(w.initdbs, 1);
    EXPECT_TRUE(w.violations.empty()) << w.violations.front();
  }
}

// Led by another agent before we came (Patroni, by hand): the mark goes, and nothing else happens.
TEST_F(Founding, a_cluster_that_the_store_knows_only_loses_the_mark) {
  begin();
  Node& n = old_primary();
  w().kill_agent(n);
  n.pg.founding = true;
  w().start_agent(n);
  ASSERT_TRUE(w().run_until([&] { return !n.pg.founding; }, seconds(30))) << w().describe();
  ASSERT_TRUE(w().run_until_healthy());
  EXPECT_EQ(w().initdbs, 1);
}

}  // namespace
}  // namespace aurum::sim
