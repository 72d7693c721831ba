// PATRONI_COMPAT §8.10.

#include "core/slots.h"

#include <functional>

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

using model::Lsn;
using Names = std::vector<std::string>;

model::Slot slot(const char* name, bool active = false) {
  model::Slot s;
  s.name = name;
  s.active = active;
  s.restart_lsn = Lsn{100};
  return s;
}

struct Slots : ::testing::Test {
  model::PgFacts facts;
  model::DynamicConfig config;
  SlotView view{.facts = &facts, .config = &config, .self = "me", .primary = true};
};

TEST_F(Slots, every_member_has_one_under_its_slot_name) {
  view.members = {"node-1", "Node.2"};
  EXPECT_EQ(plan_slots(view).create, (Names{"node_1", "node_2"}));
  facts.slots = {slot("node_1"), slot("node_2")};
  EXPECT_TRUE(plan_slots(view).empty()) << "all is as wanted";
}

struct LogicalSlots : Slots {
  LogicalSlots() {
    config.slots = {{.name = "cdc", .logical = true, .database = "app", .plugin = "pgoutput"}};
    view.primary = false;
    view.leader_slots = &leader;
    facts.replayed_lsn = Lsn{500};
  }
  static model::Slot cdc(std::uint64_t at) {
    model::Slot s = slot("cdc");
    s.logical = true;
    s.confirmed_flush_lsn = Lsn{at};
    return s;
  }
  std::map<std::string, Lsn> leader{{"cdc", Lsn{300}}};
};

TEST_F(LogicalSlots, a_replica_copies_what_its_leader_has) {
  EXPECT_TRUE(has_logical_slots(config));
  ASSERT_EQ(missing_logical_slots(view).size(), 1u);
  EXPECT_TRUE(plan_slots(view).create_logical.empty()) << "only the primary makes them";
  view.nostream = true;
  EXPECT_TRUE(missing_logical_slots(view).empty());
  view.nostream = false;
  view.primary = true;
  EXPECT_TRUE(missing_logical_slots(view).empty());
  view.primary = false;
  leader.clear();
  EXPECT_TRUE(missing_logical_slots(view).empty()) << "there is nothing to copy yet";
  config.slots[0].cluster_type = "standby";
  EXPECT_FALSE(has_logical_slots(config));
}

TEST_F(LogicalSlots, a_copy_follows_the_leaders_and_never_passes_what_is_replayed) {
  using Moves = std::vector<std::pair<std::string, Lsn>>;
  facts.slots = {cdc(200)};
  EXPECT_TRUE(missing_logical_slots(view).empty());
  EXPECT_EQ(plan_slots(view).advance, (Moves{{"cdc", Lsn{300}}}));
  leader["cdc"] = Lsn{900};
  EXPECT_EQ(plan_slots(view).advance, (Moves{{"cdc", Lsn{500}}}));
  facts.slots = {cdc(900)};
  EXPECT_TRUE(plan_slots(view).empty());
  facts.slots[0].active = true;
  leader["cdc"] = Lsn{990};
  EXPECT_TRUE(plan_slots(view).empty()) << "somebody reads it here";
  view.primary = true;
  facts.slots[0].active = false;
  EXPECT_TRUE(plan_slots(view).empty()) << "of the primary the consumer moves it";
}

TEST_F(LogicalSlots, a_copy_goes_with_its_setting_unless_it_is_ignored_or_a_failover_slot) {
  facts.slots = {cdc(200)};
  config.slots.clear();
  EXPECT_EQ(plan_slots(view).drop, Names{"cdc"});
  facts.slots[0].failover = true;
  EXPECT_TRUE(plan_slots(view).empty());
  facts.slots[0].failover = false;
  config.ignore_slots = model::parse_json(R"([{"type":"logical"}])").value();
  EXPECT_TRUE(plan_slots(view).empty());
  config.ignore_slots = {};
  view.primary = true;
  EXPECT_TRUE(plan_slots(view).empty()) << "a logical slot of a primary may be anybody's";
}

TEST_F(Slots, strangers_go_unless_there_is_a_reason) {
  facts.slots = {slot("old")};
  EXPECT_EQ(plan_slots(view).drop, Names{"old"});
  struct Case {
    const char* says;
    std::function<void(Slots&)> change;
  };
  const Case cases[] = {
      {"in use", [](Slots& t) { t.facts.slots[0].active = true; }},
      {"temporary", [](Slots& t) { t.facts.slots[0].temporary = true; }},
      {"logical: not ours to judge", [](Slots& t) { t.facts.slots[0].logical = true; }},
      {"synchronised by PostgreSQL 17", [](Slots& t) { t.facts.slots[0].failover = true; }},
      {"permanent", [](Slots& t) { t.config.slots.push_back({.name = "old"}); }},
      {"ignored by name",
       [](Slots& t) {
         model::Value entry = model::Value::object();
         entry.set("name", "old");
         t.config.ignore_slots.push_back(entry);
       }},
      {"ignored by type",
       [](Slots& t) {
         model::Value entry = model::Value::object();
         entry.set("type", "physical");
         t.config.ignore_slots.push_back(entry);
       }},
  };
  for (const auto& c : cases) {
    facts.slots = {slot("old")};
    config = model::DynamicConfig{};
    c.change(*this);
    EXPECT_TRUE(plan_slots(view).drop.empty()) << c.says;
  }
}

TEST_F(Slots, all_given_attributes_of_an_ignore_entry_must_match) {
  facts.slots = {slot("old")};
  model::Value entry = model::Value::object();
  entry.set("name", "old");
  entry.set("type", "logical");
  config.ignore_slots.push_back(entry);
  EXPECT_EQ(plan_slots(view).drop, Names{"old"});
  config.ignore_slots = model::Value::array();
  config.ignore_slots.push_back(model::Value::object());
  EXPECT_EQ(plan_slots(view).drop, Names{"old"}) << "an empty entry matches nothing";
}

TEST_F(Slots, a_lost_one_is_made_anew) {
  view.members = {"b"};
  facts.slots = {slot("b")};
  facts.slots[0].wal_status = "lost";
  EXPECT_EQ(plan_slots(view).drop, Names{"b"});
  facts.slots.clear();
  EXPECT_EQ(plan_slots(view).create, Names{"b"});
}

TEST_F(Slots, permanent_ones_are_kept_except_the_node_of_that_name) {
  config.slots = {{.name = "extra"}, {.name = "me"}, {.name = "far", .cluster_type = "standby"}};
  EXPECT_EQ(plan_slots(view).create, Names{"extra"});
  config.slots = {{.name = "feed", .logical = true, .database = "db", .plugin = "pgoutput"}};
  EXPECT_TRUE(plan_slots(view).create.empty());
  ASSERT_EQ(plan_slots(view).create_logical.size(), 1u);
  view.primary = false;
  EXPECT_TRUE(plan_slots(view).create_logical.empty()) << "only a primary can make them";
}

TEST_F(Slots, a_replica_advances_with_the_leader_and_never_past_its_own_replay) {
  std::map<std::string, Lsn> leader{{"b", Lsn{500}}, {"c", Lsn{900}}, {"d", Lsn{50}}};
  view.primary = false;
  view.members = {"b", "c", "d"};
  view.leader_slots = &leader;
  facts.slots = {slot("b"), slot("c"), slot("d")};
  facts.replayed_lsn = Lsn{700};
  const auto advance = plan_slots(view).advance;
  ASSERT_EQ(advance.size(), 2u);
  EXPECT_EQ(advance[0], (std::pair<std::string, Lsn>{"b", Lsn{500}}));
  EXPECT_EQ(advance[1], (std::pair<std::string, Lsn>{"c", Lsn{700}}));
  facts.slots[0].active = true;
  EXPECT_EQ(plan_slots(view).advance.size(), 1u) << "its consumer moves it";
}

TEST(LeaderStatus, tells_the_position_of_every_slot_and_of_itself) {
  model::PgFacts facts;
  facts.flush_lsn = Lsn{1000};
  facts.slots = {slot("b"), slot("feed"), slot("tmp")};
  facts.slots[1].logical = true;
  facts.slots[1].confirmed_flush_lsn = Lsn{800};
  facts.slots[2].temporary = true;
  const auto status = leader_status(facts, "Node-1", {"b"});
  EXPECT_EQ(status.optime, Lsn{1000});
  EXPECT_EQ(status.slots, (std::map<std::string, Lsn>{
                              {"b", Lsn{100}}, {"feed", Lsn{800}}, {"node_1", Lsn{1000}}}));
  EXPECT_EQ(status.retain_slots, (Names{"b", "node_1"}));
}

}  // namespace
}  // namespace aurum::core
