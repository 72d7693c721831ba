#include "model/unreadable.h"

#include <gtest/gtest.h>

namespace aurum::model {
namespace {

std::string why(const std::string& key, const std::string& value) {
  return why_unreadable({.key = key, .value = value}).value_or("");
}

TEST(Unreadable, WhatAnyVersionWritesReadsWell) {
  const std::pair<const char*, const char*> good[] = {
      {"initialize", ""},
      {"initialize", "7711068554931311871"},
      {"leader", "node-1"},
      {"config", R"({"ttl":30})"},
      {"members/a", R"({"state":"running"})"},
      {"members/a", "postgres://a:1/b?application_name=http://a:1/patroni"},
      {"status", R"({"optime":1})"},
      {"status", "67109056"},
      {"optime/leader", "67109056"},
      {"history", "[]"},
      {"failover", "{}"},
      {"failover", ""},
      {"failover", "a:b"},
      {"sync", R"({"leader":null,"sync_standby":null})"},
      {"sync", "null"},
      {"failsafe", R"({"a":"http://a:1/patroni"})"},
      {"aurum_timeline", "7"},
      {"somebody/elses", "\x01"},
  };
  for (const auto& [key, value] : good) EXPECT_EQ(why(key, value), "") << key << " " << value;
}

TEST(Unreadable, TheReasonNamesTheKeyAndWhatItShouldBe) {
  EXPECT_EQ(why("initialize", "12x"), "initialize is not a system identifier");
  EXPECT_EQ(why("status", "[]"), "status is not a JSON object or a number");
  EXPECT_EQ(why("history", "{}"), "history is not a JSON list");
  EXPECT_TRUE(why("config", R"({"ttl":3)").starts_with("config is not a JSON object: "));
  EXPECT_TRUE(why("config", R"({"ttl":3)").ends_with(" (8 bytes)"));
  for (const auto* key :
       {"config", "members/a", "status", "optime/leader", "history", "failover", "sync", "failsafe",
        "aurum_timeline", "aurum_released", "aurum_unpromised", "aurum_restore"})
    EXPECT_NE(why(key, "\x01\xff{["), "") << key;
}

TEST(Unreadable, ADamagedIdentifierIsNoOtherCluster) {
  constexpr const char* ours = "7711068554931311871";
  for (const auto* damaged : {"7", "771106855493131187", "\x01", "77110685549313118710000000000",
                              "7711068554931311871 ", "{}"})
    EXPECT_TRUE(is_damaged_identifier(damaged, ours)) << damaged;
  for (const auto* whole : {"", ours, "7711068554931311872", "42", "77110685549313118710"})
    EXPECT_FALSE(is_damaged_identifier(whole, ours)) << whole;
}

TEST(Unreadable, AHugeValueGivesAShortReason) {
  EXPECT_LT(why("config", std::string(100'000, '[')).size(), 200U);
  EXPECT_EQ(why("config", R"({"a":")" + std::string(1'000'000, 'x') + "\"}"),
            "config has 1000008 bytes, and more than 524288 are not read");
}

}  // namespace
}  // namespace aurum::model
