#include "agent/preflight.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/startup.h"

namespace aurum::agent {
namespace {

using ::testing::HasSubstr;

TEST(EtcdVersion, ReleasesWithKnownLeaseBugsAreNamed) {
  for (const char* old : {"3.4.23", "3.5.0", "3.5.27", "3.6.0", "3.6.8", "3.3.10"})
    EXPECT_THAT(etcd_version_warning(old), HasSubstr(old)) << old;
  for (const char* good : {"3.5.28", "3.5.30", "3.6.9", "3.7.0", "4.0.0", "3.6.10-rc.1", "", "?"})
    EXPECT_EQ(etcd_version_warning(good), "") << good;
}

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

TEST(DevelopmentPasswords, StopTheStartUnlessTheyAreAllowed) {
  model::LocalConfig config;
  config.pg.superuser.password = "development-superuser";
  config.pg.replication.password = "its own";
  const auto refused = check_passwords(config, {});
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].level, model::Finding::Level::error);
  EXPECT_THAT(refused[0].text(), HasSubstr("superuser.password"));
  EXPECT_EQ(check_passwords(config, {{"AURUM_DEVELOPMENT", "yes"}}).size(), 1U);

  const auto allowed = check_passwords(config, {{"AURUM_DEVELOPMENT", "1"}});
  ASSERT_EQ(allowed.size(), 1U);
  EXPECT_EQ(allowed[0].level, model::Finding::Level::warning);
  config.pg.superuser.password = "its own too";
  EXPECT_TRUE(check_passwords(config, {}).empty());
}

}  // namespace
}  // namespace aurum::agent
