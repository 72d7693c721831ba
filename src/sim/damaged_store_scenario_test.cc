// Somebody writes rubbish over keys of the store: who led goes on and mends them.

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class DamagedStore : public Scenario {
 protected:
  void put(const std::string& key, const std::string& value) {
    w().store.txn({.when = {}, .then = {{.key = key, .value = value}}});
  }
  void spoil_lock(const std::string& value, model::LeaseId lease = 0) {
    w().store.txn({.when = {}, .then = {{.key = "leader", .value = value, .lease = lease}}});
  }
  bool mended() { return w().store.view().leader_name() == old_primary().name; }
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

class SpoiledLock : public DamagedStore,
                    public ::testing::WithParamInterface<const char*> {};  // the profile

TEST_P(SpoiledLock, is_written_anew_by_its_holder_which_leads_on) {
  begin({.profile = GetParam()});
  const model::Timeline before = timeline();
  const auto server = old_primary().pg.started;
  for (const auto& damage : {std::string("rubbish"), std::string("\x01\xff{["), std::string(),
                             std::string(1'200'000, 'x'), std::string("rubbish again")}) {
    spoil_lock(damage);
    EXPECT_TRUE(w().run_until([&] { return mended(); }, seconds(3))) << w().describe();
    w().run_for(milliseconds(500));
    expect_nothing_happened(old_primary(), before);
  }
  const model::LeaseId own = w().store.view().leader->lease;
  spoil_lock("rubbish", own);
  EXPECT_TRUE(w().run_until([&] { return mended(); }, seconds(3))) << w().describe();
  w().run_for(seconds(60));
  expect_nothing_happened(old_primary(), before);
  EXPECT_EQ(old_primary().pg.started, server);
}

TEST_P(SpoiledLock, of_a_lost_leader_is_taken_when_its_time_has_passed) {
  begin({.profile = GetParam()});
  w().power_off(old_primary());
  spoil_lock("rubbish");
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(60)))
      << w().describe();
  w().power_on(old_primary());
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_P(SpoiledLock, of_a_leader_that_is_cut_off_is_taken_behind_its_deadline_only) {
  begin({.profile = GetParam()});
  old_primary().reaches_store = false;
  spoil_lock("rubbish");
  EXPECT_TRUE(w().run_until(
      [&] { return w().writer() != nullptr && w().writer() != &old_primary(); }, seconds(60)))
      << w().describe();
  old_primary().reaches_store = true;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// Its page is as long as the former ttl said, and agents that were started since know the new one.
TEST_P(SpoiledLock, of_a_leader_with_a_longer_lease_is_not_taken_sooner) {
  begin({.profile = GetParam()});
  put("config", R"({"ttl":60,"loop_wait":2})");
  w().run_for(seconds(10));
  old_primary().reaches_store = old_primary().reaches_peers = false;
  put("config", R"({"ttl":10,"loop_wait":2})");
  w().run_for(seconds(1));
  for (int i = 0; i < 2; ++i) w().kill_agent(replica(i));
  w().run_for(seconds(1));
  for (int i = 0; i < 2; ++i) w().start_agent(replica(i));
  spoil_lock("rubbish");
  EXPECT_TRUE(w().run_until(
      [&] { return w().writer() != nullptr && w().writer() != &old_primary(); }, seconds(120)))
      << w().describe();
}

// It may be another leader's by now.
TEST_P(SpoiledLock, of_another_ones_lease_ends_the_leadership) {
  begin({.profile = GetParam()});
  spoil_lock("rubbish", w().store.view().members.at(replica().name).lease);
  EXPECT_TRUE(w().run_until([&] { return w().writer() == nullptr; }, seconds(5))) << w().describe();
  w().run_for(seconds(60));
  EXPECT_EQ(w().writer(), nullptr);
  w().store.put_off("leader");
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// The key was removed, so anybody may have led since.
TEST_P(SpoiledLock, that_was_created_anew_ends_the_leadership) {
  begin({.profile = GetParam()});
  w().store.txn({.when = {}, .then = {{.what = model::Write::What::erase, .key = "leader"}}});
  spoil_lock("rubbish");
  EXPECT_TRUE(w().run_until([&] { return w().writer() == nullptr; }, seconds(5))) << w().describe();
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_P(SpoiledLock, in_a_pause_is_written_anew) {
  begin({.profile = GetParam()});
  put("config", R"({"ttl":10,"loop_wait":2,"pause":true})");
  w().run_for(seconds(3));
  const model::Timeline before = timeline();
  spoil_lock("rubbish");
  EXPECT_TRUE(w().run_until([&] { return mended(); }, seconds(3))) << w().describe();
  w().run_for(seconds(30));
  expect_nothing_happened(old_primary(), before);
}

INSTANTIATE_TEST_SUITE_P(profiles, SpoiledLock, ::testing::Values("", "default", "fast"));

// The former leader hears of the rubbish alone: it must not take it for what became of its own
// lock.
TEST_F(DamagedStore, a_lock_that_was_taken_over_before_it_was_spoiled_is_the_new_leaders) {
  begin({.profile = "fast"});
  old_primary().reaches_store = false;
  EXPECT_TRUE(w().run_until(
      [&] { return w().writer() != nullptr && w().writer() != &old_primary(); }, seconds(20)))
      << w().describe();
  const Node* next = w().writer();
  spoil_lock("rubbish");
  old_primary().reaches_store = true;
  w().run_for(seconds(10));
  EXPECT_EQ(w().writer(), next) << w().describe();
  EXPECT_EQ(w().leader(), next->name);
}

}  // namespace
}  // namespace aurum::sim
