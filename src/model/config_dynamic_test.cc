// The dynamic configuration: defaults, adjusted timeouts (§3.1) and values that make no sense
// (§3.4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/config.h"

namespace aurum::model {
namespace {

DynamicConfig read(const char* json) { return read_dynamic_config(*parse_json(json)); }

std::string findings(const DynamicConfig& config) {
  std::string all;
  for (const auto& finding : config.findings) {
    EXPECT_EQ(finding.level, Finding::Level::warning);
    all += finding.text() + "\n";
  }
  return all;
}

TEST(DynamicConfig, DefaultsFromNothing) {
  for (const char* json : {"{}", "null", "[]"}) {
    const DynamicConfig c = read(json);
    EXPECT_EQ(c, DynamicConfig{});
    EXPECT_EQ(findings(c), "");
  }
}

TEST(DynamicConfig, TimeoutsAreAdjusted) {
  struct Case {
    const char* json;
    int ttl, loop_wait, retry_timeout, warnings;
  };
  for (const auto& c : {
           Case{R"({"ttl":30,"loop_wait":10,"retry_timeout":10})", 30, 10, 10, 0},
           Case{R"({"ttl":5})", 5, 1, 2, 0},
           Case{R"({"ttl":5,"loop_wait":1,"retry_timeout":2})", 5, 1, 2, 0},
           Case{R"({"ttl":2})", 2, 1, 1, 0},
           Case{R"({"ttl":1})", 2, 1, 1, 1},
           Case{R"({"ttl":0,"loop_wait":0,"retry_timeout":0})", 2, 1, 1, 3},
           Case{R"({"ttl":3,"loop_wait":1,"retry_timeout":1})", 3, 1, 1, 0},
           Case{R"({"ttl":20,"loop_wait":5,"retry_timeout":1})", 20, 5, 3, 1},
           Case{R"({"ttl":19,"loop_wait":5,"retry_timeout":1})", 19, 5, 1, 0},
           Case{R"({"ttl":30,"loop_wait":20,"retry_timeout":10})", 30, 10, 10, 1},
           Case{R"({"ttl":30,"loop_wait":10,"retry_timeout":20})", 30, 1, 14, 2},
           Case{R"({"ttl":"1min","loop_wait":"10s","retry_timeout":"10"})", 60, 10, 10, 0},
           Case{R"({"ttl":99999999999,"retry_timeout":99999999999})", 10000000, 1, 4999999, 2},
       }) {
    const DynamicConfig d = read(c.json);
    EXPECT_EQ(d.ttl_s, c.ttl) << c.json;
    EXPECT_EQ(d.loop_wait_s, c.loop_wait) << c.json;
    EXPECT_EQ(d.retry_timeout_s, c.retry_timeout) << c.json;
    EXPECT_EQ(d.findings.size(), c.warnings) << c.json << findings(d);
    if (d.ttl_s > 2) {
      EXPECT_LE(d.loop_wait_s + 2 * d.retry_timeout_s, d.ttl_s) << c.json;
    }
  }
}

TEST(DynamicConfig, EveryKeyIsRead) {
  const DynamicConfig c = read(R"({"maximum_lag_on_failover":"16MB","maximum_lag_on_syncnode":5,
    "max_timelines_history":3,"check_timeline":"on","master_start_timeout":0,"primary_stop_timeout":"1min",
    "synchronous_mode":"quorum","synchronous_mode_strict":true,"synchronous_node_count":"2",
    "failsafe_mode":"yes","pause":1,"member_slots_ttl":"30min","ignore_slots":[{"name":"a"}],
    "slots":{"p":null,"q":{"type":"physical","cluster_type":"primary"},
             "l":{"type":"logical","database":"d","plugin":"pgoutput"}},
    "standby_cluster":{"host":"h","port":5432,"create_replica_methods":["basebackup"]},
    "postgresql":{"use_pg_rewind":"true","use_slots":false,"parameters":{"a":1}},"own":{"x":1}})");
  EXPECT_EQ(findings(c), "");
  EXPECT_EQ(c.maximum_lag_on_failover, 16 << 20);
  EXPECT_EQ(c.maximum_lag_on_syncnode, 5);
  EXPECT_EQ(c.max_timelines_history, 3);
  EXPECT_TRUE(c.check_timeline);
  EXPECT_EQ(c.primary_start_timeout_s, 0);
  EXPECT_TRUE(c.primary_start_timeout_set);
  EXPECT_EQ(c.primary_stop_timeout_s, 60);
  EXPECT_EQ(c.synchronous_mode, SyncMode::off);
  EXPECT_TRUE(c.synchronous_mode_strict);
  EXPECT_EQ(c.synchronous_node_count, 2);
  EXPECT_TRUE(c.failsafe_mode);
  EXPECT_TRUE(c.pause);
  EXPECT_EQ(c.member_slots_ttl_s, 1800);
  ASSERT_EQ(c.slots.size(), 3U);
  EXPECT_EQ(c.slots[0], (SlotConfig{"p", false, "", "", ""}));
  EXPECT_EQ(c.slots[1].cluster_type, "primary");
  EXPECT_EQ(c.slots[2], (SlotConfig{"l", true, "d", "pgoutput", ""}));
  EXPECT_EQ(c.standby_cluster->port, "5432");
  EXPECT_TRUE(c.use_pg_rewind);
  EXPECT_FALSE(c.use_slots);
  EXPECT_EQ(c.postgresql.at({"parameters", "a"})->as_int(), 1);
}

TEST(DynamicConfig, NonsenseFallsBackWithAWarning) {
  const DynamicConfig c = read(R"({"ttl":"soon","pause":"perhaps","synchronous_mode":"sometimes",
    "synchronous_node_count":-4,"slots":{"Bad-Name":{},"l":{"type":"logical"},"t":{"type":"odd"},"s":7},
    "standby_cluster":{"primary_slot_name":"x"},"postgresql":[1]})");
  EXPECT_EQ(c.ttl_s, 30);
  EXPECT_FALSE(c.pause);
  EXPECT_EQ(c.synchronous_mode, SyncMode::off);
  EXPECT_EQ(c.synchronous_node_count, 1);
  EXPECT_TRUE(c.slots.empty());
  EXPECT_FALSE(c.standby_cluster);
  EXPECT_TRUE(c.postgresql.is_null());
  for (const char* part : {"ttl: must be a number of seconds", "pause: must be a boolean",
                           "synchronous_mode: \"sometimes\" is neither",
                           "slots.Bad-Name is no slot name", "slots.l is a logical slot without",
                           "slots.t is no description", "slots.s is no description"})
    EXPECT_THAT(findings(c), testing::HasSubstr(part));
}

TEST(DynamicConfig, SynchronousModeForms) {
  EXPECT_EQ(read(R"({"synchronous_mode":"on"})").synchronous_mode, SyncMode::on);
  EXPECT_EQ(read(R"({"synchronous_mode":true})").synchronous_mode, SyncMode::on);
  EXPECT_EQ(read(R"({"synchronous_mode":false})").synchronous_mode, SyncMode::off);
  EXPECT_EQ(to_string(read(R"({"synchronous_mode":"quorum"})").synchronous_mode), "quorum");
}

}  // namespace
}  // namespace aurum::model
