#include "cli/config_edit.h"

#include <gtest/gtest.h>

namespace aurum::cli {
namespace {

using model::Value;

Value tree(std::string_view yaml) { return model::parse_yaml(yaml).value(); }

Value after(std::string_view yaml, std::initializer_list<std::string_view> settings) {
  Value config = tree(yaml);
  for (const auto setting : settings) EXPECT_TRUE(apply_setting(config, setting)) << setting;
  return config;
}

TEST(ApplySetting, ReadsValuesAsYaml) {
  EXPECT_EQ(after("{ttl: 30}", {"ttl=40", "a.b=[1, x]", "on=off"}),
            tree("{ttl: 40, a: {b: [1, x]}, 'on': off}"));
}

TEST(ApplySetting, TakesTheRestOfAParameterAsOneKey) {
  EXPECT_EQ(after("{}", {"postgresql.parameters.pg_stat_statements.max=5000"}),
            tree("{postgresql: {parameters: {pg_stat_statements.max: 5000}}}"));
}

TEST(ApplySetting, RemovesByNullAndTheMapsThatThisEmpties) {
  EXPECT_EQ(after("{ttl: 30, x: {y: {z: 1}}}", {"x.y.z=null"}), tree("{ttl: 30}"));
  EXPECT_EQ(after("{x: {y: {z: 1}, w: 2}}", {"x.y.z="}), tree("{x: {w: 2}}"));
  EXPECT_EQ(after("{ttl: 30}", {"nothing.there=null"}), tree("{ttl: 30}"));
}

TEST(ApplySetting, RefusesWhatIsNoAssignment) {
  Value config = tree("{ttl: 30}");
  for (const auto* setting : {"nope", "=1", "a..b=1", "a.=1"}) {
    const auto done = apply_setting(config, setting);
    ASSERT_FALSE(done) << setting;
    EXPECT_EQ(done.error().message, "Invalid parameter setting " + std::string(setting));
  }
  EXPECT_EQ(config, tree("{ttl: 30}"));
}

TEST(ApplyParameter, IsAShorthand) {
  Value config = tree("{}");
  ASSERT_TRUE(apply_parameter(config, "work_mem=8MB"));
  EXPECT_EQ(config, tree("{postgresql: {parameters: {work_mem: 8MB}}}"));
}

TEST(ReadConfigText, WantsAMap) {
  const auto list = read_config_text("[1]", "x.yml");
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().message,
            "x.yml: the configuration must be a map of settings, this is a list");
  EXPECT_FALSE(read_config_text("", "x.yml"));
  EXPECT_FALSE(read_config_text("{", "x.yml"));
}

}  // namespace
}  // namespace aurum::cli
