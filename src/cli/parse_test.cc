#include <gtest/gtest.h>

#include "cli/help.h"
#include "cli/options.h"

namespace aurum::cli {
namespace {

Parsed parse(std::vector<const char*> words) {
  words.insert(words.begin(), "ctl");
  return parse_command_line(static_cast<int>(words.size()), words.data(), "patronictl");
}

TEST(ParseCommandLine, TakesGlobalOptionsBeforeTheCommand) {
  const auto parsed = parse({"-c", "node.yml", "-k", "list", "demo", "test", "-f", "json", "-e"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->config_file, "node.yml");
  EXPECT_TRUE(parsed.options->insecure);
  EXPECT_TRUE(parsed.options->extended);
  EXPECT_EQ(parsed.options->format, "json");
  EXPECT_EQ(parsed.options->names, (std::vector<std::string>{"demo", "test"}));
}

TEST(ParseCommandLine, RepeatedSettingsDoNotSwallowTheClusterName) {
  const auto parsed = parse({"edit-config", "-s", "ttl=20", "-s", "a=1", "demo", "--apply", "-"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->set, (std::vector<std::string>{"ttl=20", "a=1"}));
  EXPECT_EQ(parsed.options->names, std::vector<std::string>{"demo"});
  EXPECT_EQ(parsed.options->apply, "-");
}

TEST(ParseCommandLine, UsageErrorsExitWithTwo) {
  const struct {
    std::vector<const char*> words;
    const char* error;
  } cases[] = {
      {{}, "Error: Missing command.\n"},
      {{"bogus"}, "Error: No such command 'bogus'.\n"},
      {{"list", "--bogus"}, "Error: No such option: --bogus\n"},
      {{"restart"}, "Error: Missing argument 'CLUSTER_NAME'.\n"},
      {{"list", "-f"}, "requires an argument.\n"},
      {{"flush", "demo"}, "Error: Missing argument '{restart|switchover}'.\n"},
      {{"pause", "a", "b"}, "Error: Got unexpected extra argument (b)\n"},
      {{"query", "demo", "-f", "/nonexistent"},
       "Error: Invalid value for '--file' / '-f': '/nonexistent': No such file or directory\n"},
      {{"list", "-w", "x"}, "is not a valid number of seconds.\n"},
      {{"restart", "demo", "-r", "bogus"},
       "Error: Invalid value for '--role' / '-r': 'bogus' is not one of 'leader', 'primary', "
       "'standby-leader', 'replica', 'standby', 'any', 'master'.\n"},
  };
  for (const auto& c : cases) {
    const auto parsed = parse(c.words);
    EXPECT_FALSE(parsed.options) << c.error;
    EXPECT_EQ(parsed.exit_code, 2) << c.error;
    EXPECT_TRUE(parsed.err.ends_with(c.error)) << parsed.err;
  }
  EXPECT_TRUE(
      parse({"restart"})
          .err.starts_with("Usage: patronictl restart [OPTIONS] CLUSTER_NAME [MEMBER_NAMES]...\n"
                           "Try 'patronictl restart --help' for help.\n\n"));
}

TEST(Help, ShowsAnExampleOfEveryCommand) {
  for (const auto& command : command_specs()) {
    const std::string name(command.name);
    const auto parsed = parse({name.c_str(), "--help"});
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exit_code, 0);
    EXPECT_NE(parsed.out.find("Examples:\n"), std::string::npos) << name;
    EXPECT_NE(parsed.out.find("patronictl"), std::string::npos) << name;
    for (std::size_t at = 0; at < parsed.out.size();) {
      const auto end = parsed.out.find('\n', at);
      EXPECT_LE(end - at, 100U) << parsed.out.substr(at, end - at);
      at = end + 1;
    }
  }
  EXPECT_NE(parse({"--help"}).out.find("switchover"), std::string::npos);
}

}  // namespace
}  // namespace aurum::cli
