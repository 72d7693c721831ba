#include "model/passwords.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::model {
namespace {

using ::testing::HasSubstr;

TEST(DevelopmentPasswords, StopTheStartUnlessTheyAreAllowed) {
  LocalConfig config;
  config.pg.superuser.password = "development-superuser";
  config.pg.replication.password = "its own";
  const auto refused = check_passwords(config, {});
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].level, Finding::Level::error);
  EXPECT_THAT(refused[0].text(), HasSubstr("superuser.password"));
  EXPECT_EQ(check_passwords(config, {{"AURUM_DEVELOPMENT", "yes"}}).size(), 1U);

  const auto allowed = check_passwords(config, {{"AURUM_DEVELOPMENT", "1"}});
  ASSERT_EQ(allowed.size(), 1U);
  EXPECT_EQ(allowed[0].level, Finding::Level::warning);
  config.pg.superuser.password = "its own too";
  EXPECT_TRUE(check_passwords(config, {}).empty());
}

TEST(DevelopmentPasswords, AreLookedForWhereverTheAgentHasOne) {
  const std::string known = "development-secret";
  const std::pair<const char*, void (*)(LocalConfig&, const std::string&)> cases[] = {
      {"replication.password", [](auto& c, const auto& s) { c.pg.replication.password = s; }},
      {"rewind.password", [](auto& c, const auto& s) { c.pg.rewind.password = s; }},
      {"restapi.authentication.password", [](auto& c, const auto& s) { c.rest.password = s; }},
      {"ctl.authentication.password", [](auto& c, const auto& s) { c.ctl.password = s; }},
      {"ctl.token", [](auto& c, const auto& s) { c.ctl.token = s; }},
      {"etcd3.password", [](auto& c, const auto& s) { c.etcd.password = s; }},
      {"aurum.routing.pgbouncer_password",
       [](auto& c, const auto& s) { c.aurum.routing.pgbouncer_password = s; }},
      {"aurum.access[1].token_file",
       [](auto& c, const auto& s) { c.aurum.access = {AccessEntry{.token = s}}; }},
      {"aurum.backup.repositories[2].cipher_pass",
       [](auto& c, const auto& s) {
         c.aurum.backup.emplace().repositories = {{}, {.cipher_pass = s}};
       }},
  };
  for (const auto& [key, set] : cases) {
    LocalConfig config;
    set(config, known);
    const auto refused = check_passwords(config, {});
    ASSERT_EQ(refused.size(), 1U) << key;
    EXPECT_THAT(refused[0].text(), HasSubstr(key));
    EXPECT_EQ(check_passwords(config, {{"AURUM_DEVELOPMENT", "1"}}).size(), 1U) << key;
  }
}

}  // namespace
}  // namespace aurum::model
