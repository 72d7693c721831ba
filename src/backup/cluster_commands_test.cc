#include "backup/cluster_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

TEST(ProgressText, has_a_bar_percent_bytes_and_what_is_left) {
  constexpr std::int64_t kMega = 1'000'000, kGiga = 1'000 * kMega;
  const struct {
    Progress progress;
    Duration since;
    const char* text;
  } cases[] = {
      {{0, 0}, {}, "[                              ]   0 %     0 kB"},
      {{45.9, 12 * kMega}, seconds(1), "[#############                 ]  45 %    12 MB"},
      // Told from two seconds on: before that it would jump.
      {{50, 3 * kGiga}, seconds(40), "[###############               ]  50 %   3.0 GB  40 s to go"},
      {{10, kGiga}, seconds(60), "[###                           ]  10 %   1.0 GB  9 min to go"},
      {{1, kGiga}, seconds(600), "[                              ]   1 %   1.0 GB  16.5 h to go"},
      {{0.5, kMega}, seconds(60), "[                              ]   0 %     1 MB"},
      {{100, 5 * kGiga}, seconds(90), "[##############################] 100 %   5.0 GB"},
      // What pgBackRest never prints does no harm.
      {{250, 0}, seconds(9), "[##############################] 100 %     0 kB"},
      {{-1, 0}, seconds(9), "[                              ]   0 %     0 kB"},
  };
  for (const auto& one : cases) {
    const auto text = progress_text(one.progress, one.since);
    EXPECT_EQ(text, one.text);
    EXPECT_LT(text.size(), 80U);
  }
}

}  // namespace
}  // namespace aurum::backup
