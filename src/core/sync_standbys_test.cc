// PATRONI_COMPAT §8.5. That no step ever promises more than PostgreSQL waits for is checked by
// playing plan_sync against every way standbys come and go.

#include "core/sync_standbys.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

using model::Lsn;
using model::SyncMode;
using Names = std::vector<std::string>;

TEST(SyncNames, are_written_as_patroni_writes_them_and_read_back) {
  struct Case {
    Names names;
    bool strict;
    const char* text;
  };
  const Case cases[] = {
      {{}, false, ""},
      {{}, true, "*"},
      {{"node1"}, false, "node1"},
      {{"node-1"}, true, "\"node-1\""},
      {{"Node"}, false, "\"Node\""},
      {{"1st"}, false, "\"1st\""},
      {{"a\"b"}, false, "\"a\"\"b\""},
      {{"a", "b-2"}, false, "2 (a,\"b-2\")"},
      {{"a,b", "c)"}, false, "2 (\"a,b\",\"c)\")"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(render_sync_names(c.names, c.strict), c.text);
    EXPECT_EQ(parse_sync_names(c.text), c.names) << c.text;
  }
  EXPECT_EQ(parse_sync_names("FIRST 2 (a, \"b\")"), (Names{"a", "b"}));
  EXPECT_EQ(parse_sync_names("ANY 1 (*)"), Names{});
}

struct SyncPlan : ::testing::Test {
  model::ClusterView cluster;
  model::DynamicConfig config;
  model::PgFacts facts;
  SyncView view{.cluster = &cluster, .config = &config, .facts = &facts, .self = "me"};

  void SetUp() override {
    config.synchronous_mode = SyncMode::on;
    for (const char* name : {"b", "c", "d"}) cluster.members[name].name = name;
  }
  model::WalSender& sender(const char* name, std::uint64_t lsn = 100) {
    model::WalSender s;
    s.application_name = name;
    s.state = "streaming";
    s.write_lsn = s.flush_lsn = s.replay_lsn = Lsn{lsn};
    facts.senders.push_back(s);
    return facts.senders.back();
  }
  void tag(const char* member, const char* name, model::Value value) {
    model::Value tags = model::Value::object();
    tags.set(name, std::move(value));
    cluster.members[member].tags = tags;
  }
  Names picked() { return pick_sync_standbys(view); }
};

TEST_F(SyncPlan, standbys_are_picked_by_priority_then_those_already_then_position) {
  sender("b", 100);
  sender("c", 200);
  sender("d", 50);
  EXPECT_EQ(picked(), Names{"c"}) << "the most advanced";
  facts.synchronous_standby_names = "b";
  EXPECT_EQ(picked(), Names{"b"}) << "one that is waited for already is kept, else they take turns";
  cluster.sync.members = {"d"};
  EXPECT_EQ(picked(), Names{"d"}) << "more so one in the key";
  tag("b", "sync_priority", 5);
  EXPECT_EQ(picked(), Names{"b"}) << "priority first";
  tag("b", "nofailover", true);
  EXPECT_EQ(picked(), Names{"d"}) << "one that may not lead comes last";
  tag("d", "nosync", true);
  EXPECT_EQ(picked(), Names{"c"}) << "nosync never";
  config.synchronous_node_count = 5;
  EXPECT_EQ(picked(), (Names{"b", "c"}));
  config.maximum_lag_on_syncnode = 50;
  EXPECT_EQ(picked(), Names{"c"}) << "too far behind the best";
  facts.senders[1].state = "catchup";
  EXPECT_EQ(picked(), Names{"b"}) << "only who streams";
}

TEST_F(SyncPlan, what_counts_as_received_depends_on_synchronous_commit) {
  auto& b = sender("b", 100);
  b.replay_lsn = Lsn{10};
  b.write_lsn = Lsn{300};
  auto& c = sender("c", 90);
  c.replay_lsn = Lsn{80};
  EXPECT_EQ(picked(), Names{"b"});
  facts.synchronous_commit = "remote_apply";
  EXPECT_EQ(picked(), Names{"c"});
}

TEST_F(SyncPlan, a_new_leader_records_itself_alone_before_anything_else) {
  sender("b");
  cluster.sync = {"old", {"me", "b"}, 0, 7};
  const SyncStep step = plan_sync(view);
  EXPECT_EQ(step.what, SyncStep::What::write_key);
  EXPECT_EQ(step.key.leader, "me");
  EXPECT_TRUE(step.key.members.empty());
}

TEST_F(SyncPlan, switched_off_the_key_goes) {
  config.synchronous_mode = SyncMode::off;
  EXPECT_EQ(plan_sync(view).what, SyncStep::What::none);
  cluster.sync = {"me", {"b"}, 0, 7};
  EXPECT_EQ(plan_sync(view).what, SyncStep::What::delete_key);
}

TEST_F(SyncPlan, a_name_enters_the_key_only_when_it_has_what_was_acknowledged_before) {
  auto& b = sender("b", 100);
  cluster.sync = {"me", {}, 0, 7};
  facts.synchronous_standby_names = "b";
  EXPECT_EQ(plan_sync(view).what, SyncStep::What::none) << "nobody waits for it yet";
  b.sync_state = "sync";
  EXPECT_EQ(plan_sync(view).what, SyncStep::What::none) << "since when, the next probe tells";
  view.setting_since = Lsn{101};
  EXPECT_EQ(plan_sync(view).what, SyncStep::What::none) << "not there yet";
  view.setting_since = Lsn{100};
  const SyncStep step = plan_sync(view);
  EXPECT_EQ(step.what, SyncStep::What::write_key);
  EXPECT_EQ(step.key.members, Names{"b"});
}

TEST_F(SyncPlan, the_key_is_never_ahead_of_the_setting_and_every_play_comes_to_rest) {  // F26
  // Each play: a sequence of three sets of streaming standbys, node counts 1-3, strict or not.
  for (int play = 0; play < 512 * 6; ++play) {
    config.synchronous_node_count = 1 + play / 512 % 3;
    config.synchronous_mode_strict = play / 1536 != 0;
    cluster.sync = {"me", {}, 0, 1};
    facts.synchronous_standby_names = config.synchronous_mode_strict ? "*" : "";
    for (int stage = 0; stage < 3; ++stage) {
      facts.senders.clear();
      const char* const names[] = {"b", "c", "d"};
      for (int i = 0; i < 3; ++i) {
        if ((play % 512) >> (stage * 3 + i) & 1) sender(names[i], 100).sync_state = "sync";
      }
      int steps = 0;
      for (; steps < 12; ++steps) {
        view.setting_since = Lsn{100};
        const SyncStep step = plan_sync(view);
        if (step.what == SyncStep::What::none) break;
        if (step.what == SyncStep::What::write_key) cluster.sync.members = step.key.members;
        if (step.what == SyncStep::What::set_names) facts.synchronous_standby_names = step.names;
        const auto in_force = parse_sync_names(facts.synchronous_standby_names);
        for (const auto& member : cluster.sync.members)
          EXPECT_TRUE(std::count(in_force.begin(), in_force.end(), member)) << play;
      }
      EXPECT_LT(steps, 12) << "play " << play << " does not come to rest";
      const std::size_t there = facts.senders.size();
      EXPECT_EQ(
          cluster.sync.members.size(),
          std::min<std::size_t>(there, static_cast<std::size_t>(config.synchronous_node_count)));
    }
  }
}

}  // namespace
}  // namespace aurum::core
