// Scenario: a repository fails, hangs, comes back; the breaker decides who may ask it (FAILURES
// F38, F39).
#include "backup/archive_state.h"

#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

constexpr Instant kStart{1'000'000'000'000};
constexpr WallTime kWall{1'700'000'000'000'000};

void fail_once(ArchiveState& state, Failure failure, Instant now) {
  note_failure(state, "F", "why", failure, now, kWall);
}

TEST(Breaker, opens_at_once_after_one_that_hung) {
  ArchiveState state;
  EXPECT_FALSE(breaker_is_open(state, kStart));
  fail_once(state, Failure::hung, kStart);
  EXPECT_TRUE(breaker_is_open(state, kStart));
  EXPECT_TRUE(breaker_is_open(state, kStart + milliseconds(4999)));
  EXPECT_FALSE(breaker_is_open(state, kStart + seconds(5)));
}

TEST(Breaker, opens_after_three_errors_in_a_row) {
  ArchiveState state;
  fail_once(state, Failure::answered, kStart);
  fail_once(state, Failure::answered, kStart);
  EXPECT_FALSE(breaker_is_open(state, kStart));
  fail_once(state, Failure::answered, kStart);
  EXPECT_TRUE(breaker_is_open(state, kStart));
  for (int i = 0; i < 9; ++i) fail_once(state, Failure::answered, kStart);
  EXPECT_FALSE(breaker_is_open(state, kStart + seconds(5)));
  EXPECT_EQ(state.failing_since, kWall);
  EXPECT_EQ(state.error, "why");
}

TEST(Breaker, stays_open_longer_each_time_but_never_for_long) {
  ArchiveState state;
  Instant now = kStart;
  for (int expected : {5, 10, 20, 30, 30, 30}) {
    fail_once(state, Failure::hung, now);
    EXPECT_TRUE(breaker_is_open(state, now + seconds(expected) - milliseconds(1))) << expected;
    now = now + seconds(expected);
    EXPECT_FALSE(breaker_is_open(state, now)) << expected;
  }
}

// As the archiver calls: three tries, a second apart, and a minute of rest. It is never kept away.
TEST(Breaker, lets_the_archiver_in_again_soon_however_long_the_repository_was_gone) {
  ArchiveState state;
  Instant now = kStart;
  for (; now < kStart + seconds(3600); now = now + seconds(60))
    for (int i = 0; i < 3; ++i) {
      note_failure(state, "F", "why", Failure::hung, now + seconds(i), kWall);
      EXPECT_FALSE(breaker_is_open(state, now + seconds(60)));
    }
  EXPECT_EQ(state.failures, 180);
  EXPECT_EQ(state.failing_since, kWall);
  EXPECT_LE(state.open_until, now);
  note_success(state, "F", kWall);
  EXPECT_EQ(state.failures, 0);
}

TEST(Breaker, closes_with_the_first_answer) {
  ArchiveState state;
  for (int i = 0; i < 5; ++i) fail_once(state, Failure::hung, kStart);
  auto found = state, missing = state;
  note_success(found, "G", kWall);
  EXPECT_FALSE(breaker_is_open(found, kStart));
  EXPECT_EQ(found.failures, 0);
  EXPECT_EQ(found.ok_file, "G");
  note_missing(missing, "H", kStart);
  EXPECT_FALSE(breaker_is_open(missing, kStart));
  EXPECT_EQ(missing.failures, 0);
}

TEST(Breaker, of_another_boot_means_nothing) {
  ArchiveState state;
  fail_once(state, Failure::hung, kStart);
  EXPECT_FALSE(breaker_is_open(state, Instant{1000}));
}

TEST(Missing, is_believed_for_a_second_and_for_that_file_only) {
  ArchiveState state;
  EXPECT_FALSE(known_missing(state, "", kStart));
  note_missing(state, "00000002.history", kStart);
  EXPECT_TRUE(known_missing(state, "00000002.history", kStart + milliseconds(999)));
  EXPECT_FALSE(known_missing(state, "00000002.history", kStart + seconds(1)));
  EXPECT_FALSE(known_missing(state, "00000003.history", kStart));
  EXPECT_FALSE(known_missing(state, "00000002.history", kStart - seconds(9)));
  fail_once(state, Failure::answered, kStart);
  EXPECT_FALSE(known_missing(state, "00000002.history", kStart));
}

TEST(ArchiveState, survives_its_file_and_damage_to_it) {
  ArchiveState state;
  note_success(state, "ok", kWall);
  fail_once(state, Failure::hung, kStart);
  state.missing_file = "m";
  state.missing_at = kStart;
  const auto text = model::to_json(to_value(state));
  EXPECT_EQ(parse_archive_state(text), state);
  for (const char* bad : {"", "{", "[]", "null", R"({"failures":"many","open_until_ns":1.5})",
                          R"({"failures":-7,"ok_file":{}})"})
    EXPECT_EQ(parse_archive_state(bad), ArchiveState{}) << bad;
  for (std::size_t cut = 0; cut < text.size(); ++cut)
    EXPECT_FALSE(breaker_is_open(parse_archive_state(text.substr(0, cut)), kStart));
}

}  // namespace
}  // namespace aurum::backup
