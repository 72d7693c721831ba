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

}  // namespace
}  // namespace aurum::model
