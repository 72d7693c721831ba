#include "pg/check_settings.h"

#include <gtest/gtest.h>

namespace aurum::pg {
namespace {

TEST(CheckSettings, the_lines_of_the_server_name_what_it_refuses) {
  const Settings settings{
      {"work_mem", "zz"}, {"no_such", "1"}, {"log_statement", "all"}, {"jit", "on"}};
  const auto refused = refused_settings(
      "2026-11-22 22:14:43.000 GMT [7] LOG:  invalid value for parameter \"work_mem\": \"zz\"\n"
      "2026-11-22 22:14:43.000 GMT [7] HINT:  Valid units for this parameter are \"B\", \"kB\".\n"
      "2026-11-22 22:14:43.000 GMT [7] LOG:  unrecognized configuration parameter \"no_such\" in "
      "file "
      "\"/data/postgresql.check.conf\" line 9\n"
      "2026-11-22 22:14:43.000 GMT [7] LOG:  invalid value for parameter \"work_mem\": \"zz\"\n"
      "FATAL:  configuration file \"/data/postgresql.check.conf\" contains errors\n",
      settings);
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused[0].first, "work_mem");
  EXPECT_EQ(refused[0].second, "invalid value for parameter \"work_mem\": \"zz\"");
  EXPECT_EQ(refused[1].first, "no_such");
}

TEST(CheckSettings, a_trouble_of_another_kind_blames_no_setting) {
  const Settings settings{{"jit", "on"}};
  EXPECT_TRUE(
      refused_settings("postgres: could not access directory \"/data\"\n", settings).empty());
  EXPECT_TRUE(refused_settings("", settings).empty());
}

}  // namespace
}  // namespace aurum::pg
