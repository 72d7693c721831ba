#include "cli/restore_options.h"

#include <vector>

#include <gmock/gmock.h>

namespace aurum::cli {
namespace {

using Action = RestoreOptions::Action;
using Kind = model::RecoveryTarget::Kind;
using ::testing::HasSubstr;

Result<RestoreOptions> parse(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  return parse_restore_options(arguments);
}

TEST(RestoreOptions, names_a_target_and_how_to_get_there) {
  const auto all = parse({"-c", "node.yml", "--time", "2026-11-23 04:00:00+01", "--backup", "F",
                          "--timeline", "3", "--node", "b", "--discard-old-data", "--force"});
  ASSERT_TRUE(all) << all.error().text();
  EXPECT_EQ(all->action, Action::request);
  EXPECT_EQ(all->target, (model::RecoveryTarget{Kind::time, "2026-11-23T04:00:00+01:00"}));
  EXPECT_EQ(all->config, "node.yml");
  EXPECT_EQ(all->timeline, 3u);
  EXPECT_EQ(all->node, "b");
  EXPECT_TRUE(all->discard_old_data && all->yes && !all->plan_only);
  EXPECT_EQ(parse({"--latest", "--plan"})->target->kind, Kind::latest);
  EXPECT_EQ(parse({"--lsn", "0/5000060"})->target->value, "0/5000060");
  EXPECT_EQ(parse({"--xid", "731"})->target->kind, Kind::xid);
  EXPECT_EQ(parse({"--name", "--odd"})->target->value, "--odd");
}

TEST(RestoreOptions, of_a_bootstrap_method) {
  const auto copy = parse({"--latest", "--scope=copy", "--datadir=/data/copy"});
  ASSERT_TRUE(copy) << copy.error().text();
  EXPECT_EQ(copy->action, Action::copy);
  EXPECT_EQ(copy->new_cluster, "copy");
  EXPECT_EQ(copy->data_dir, "/data/copy");
  EXPECT_FALSE(copy->bring_back);
  EXPECT_TRUE(parse({"--bring-back", "--latest", "--scope=a", "--datadir=/d"})->bring_back);
}

TEST(RestoreOptions, or_an_action) {
  EXPECT_EQ(parse({"--status", "--json"})->action, Action::status);
  EXPECT_EQ(parse({"--continue"})->action, Action::resume);
  EXPECT_EQ(parse({"--undo", "--yes"})->action, Action::undo);
  EXPECT_EQ(parse({"--confirm"})->action, Action::confirm);
  EXPECT_TRUE(parse({"--help"})->help);
}

TEST(RestoreOptions, anything_else_is_refused_with_its_reason) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{}, "say where to"},
      {{"--latest", "--undo"}, "only one target"},
      {{"--latest", "--time", "2026-11-23 04:00Z"}, "only one target"},
      {{"--time"}, "--time needs a value"},
      {{"--time", "yesterday"}, "'yesterday' is no time"},
      {{"--time", "now"}, "'now' is no time"},
      {{"--latest", "--timeline", "0"}, "'0' is no timeline"},
      {{"--latest", "--timeline", "x"}, "'x' is no timeline"},
      {{"--latest", "--dance"}, "unknown argument '--dance'"},
      {{"demo"}, "unknown argument 'demo'"},
      {{"--latest", "--bring-back"}, "for a bootstrap method"},
      {{"--as-replica", "--bring-back", "--data-dir", "/d"}, "exclude each other"},
      {{"--latest", "--unless-slower"}, "is for --as-replica"},
      {{"--latest", "--scope=copy"}, "say where to: --data-dir"},
  };
  for (const auto& [words, reason] : cases) {
    const auto parsed = parse(words);
    ASSERT_FALSE(parsed) << reason;
    EXPECT_THAT(parsed.error().message, HasSubstr(reason));
  }
}

}  // namespace
}  // namespace aurum::cli
