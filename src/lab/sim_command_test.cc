// What is asked for wrongly gets exit code 2 and a line that says why, and no run.

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lab/commands.h"

namespace aurum::lab {
namespace {

struct Said {
  int code = 0;
  std::string out, error;
};

Said say(int (*command)(int, char**), std::vector<std::string> words) {
  words.insert(words.begin(), "aurum");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said;
  said.code = command(static_cast<int>(argv.size()), argv.data());
  said.out = testing::internal::GetCapturedStdout();
  said.error = testing::internal::GetCapturedStderr();
  return said;
}

TEST(SimCommand, an_impossible_option_gets_a_clear_line_and_exit_code_2) {
  const struct {
    std::vector<std::string> words;
    const char* says;
  } cases[] = {
      {{"--seeds", "5..1"}, "'5..1' is no range of seeds"},
      {{"--seeds", "x"}, "'x' is no range of seeds"},
      {{"--seed", "18446744073709551616"}, "'18446744073709551616' is no seed"},
      {{"--seed", "1", "--seeds", "1..2"}, "excludes"},
      {{"--seed", "1", "--without", "999"}, "--without 999: the plan of seed 1 has"},
      {{"--seed", "1", "--without", "-1"}, "--without"},
      {{"--without", "1"}, "requires --seed"},
      {{"--seeds", "2", "--trace", "x"}, "requires --seed"},
      {{"--profile", "nope"}, "unknown profile 'nope'"},
      {{"--faults", "nope"}, "unknown fault mix 'nope'"},
      {{"--jobs", "0"}, "--jobs"},
      {{"--minutes", "0"}, "--minutes"},
      {{"nope"}, "nope"},
  };
  for (const auto& c : cases) {
    const Said said = say(sim_main, c.words);
    EXPECT_EQ(said.code, 2) << c.words.front();
    EXPECT_EQ(said.out, "") << c.words.front();
    EXPECT_TRUE(said.error.starts_with("error: ")) << said.error;
    EXPECT_NE(said.error.find(c.says), std::string::npos) << said.error;
    EXPECT_EQ(std::count(said.error.begin(), said.error.end(), '\n'), 2) << said.error;
  }
}

TEST(SimCommand, a_seed_is_told_with_what_repeats_it) {
  const Said said = say(sim_main, {"--seed", "3", "--faults", "none"});
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.error, "");
  EXPECT_NE(said.out.find("replay: aurum sim --seed 3"), std::string::npos) << said.out;
}

}  // namespace
}  // namespace aurum::lab
