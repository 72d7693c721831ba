#include "agent/preflight.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::agent {
namespace {

using ::testing::HasSubstr;

model::LocalConfig node(const std::string& host) {
  model::LocalConfig config;
  config.name = "a";
  config.rest.connect_address = host + ":8008";
  config.pg.connect_address = host + ":5432";
  return config;
}

model::ClusterView beside(const std::string& host) {
  model::ClusterView cluster;
  model::Member own{.name = "a"};
  own.conn_url = "postgres://127.0.0.1:5432/postgres";
  model::Member other{.name = "b"};
  other.conn_url = "postgres://" + host + ":5432/postgres";
  cluster.members["a"] = own;
  cluster.members["b"] = other;
  return cluster;
}

TEST(Advertised, LoopbackIsAnErrorBesideAnotherHostOnly) {
  EXPECT_TRUE(check_advertised(node("127.0.0.1"), model::ClusterView{}).empty());
  EXPECT_TRUE(check_advertised(node("localhost"), beside("127.0.0.1")).empty());
  EXPECT_TRUE(check_advertised(node("10.0.0.1"), beside("10.0.0.2")).empty());

  const auto ours = check_advertised(node("127.0.0.1"), beside("10.0.0.2"));
  ASSERT_EQ(ours.size(), 2U);
  EXPECT_EQ(ours[0].level, model::Finding::Level::error);
  EXPECT_THAT(ours[0].text(), HasSubstr("restapi.connect_address: member b is on another host"));

  const auto theirs = check_advertised(node("10.0.0.1"), beside("localhost"));
  ASSERT_EQ(theirs.size(), 1U);
  EXPECT_EQ(theirs[0].level, model::Finding::Level::warning);
  EXPECT_THAT(theirs[0].text(), HasSubstr("member b advertises"));
}

}  // namespace
}  // namespace aurum::agent
