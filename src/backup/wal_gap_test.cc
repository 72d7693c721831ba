// Scenario: segments are named as PostgreSQL names them, and what an archive lacks before the end
// of a timeline is found.
#include "backup/wal_gap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
constexpr std::uint64_t kSize = 16 << 20;

TEST(WalGap, segments_have_postgresqls_names) {
  EXPECT_EQ(segment_name(1, 3, kSize), "000000010000000000000003");
  EXPECT_EQ(segment_name(0x1A, 256, kSize), "0000001A0000000100000000");
  EXPECT_EQ(segment_name(1, 4, 1U << 30), "000000010000000100000000");
  Segment segment;
  ASSERT_TRUE(parse_segment("0000001A0000000100000002", kSize, segment));
  EXPECT_EQ(segment.timeline, 0x1AU);
  EXPECT_EQ(segment.number, 258U);
  for (const char* name : {"", "00000001.history", "000000010000000000000103",
                           "00000001000000000000000G", "000000010000000000000003.partial"})
    EXPECT_FALSE(parse_segment(name, kSize, segment)) << name;
}

TEST(WalGap, is_what_lies_before_the_end_of_the_timeline) {
  const model::Lsn end{5 * kSize + 77};  // inside of segment 5, which the next timeline repeats
  const auto missing = [&](std::vector<std::string> present) {
    return missing_segments(1, 2, end, kSize, present);
  };
  EXPECT_THAT(missing({"000000010000000000000002-abc.lz4", "000000010000000000000003-d",
                       "000000010000000000000004-e.lz4"}),
              IsEmpty());
  EXPECT_THAT(missing({"000000010000000000000002-abc.lz4"}),
              ElementsAre("000000010000000000000003", "000000010000000000000004"));
  EXPECT_THAT(missing({"000000020000000000000003-abc"}), ::testing::SizeIs(3));
  EXPECT_THAT(missing_segments(1, 9, end, kSize, {}), IsEmpty());
  EXPECT_EQ(missing_segments(1, 0, {UINT64_MAX}, kSize, {}).size(), 100'000U);
  EXPECT_EQ(gap_text({}), "");
  EXPECT_EQ(gap_text({"a"}), "a");
  EXPECT_EQ(gap_text({"a", "b", "c"}), "a to c (3 files)");
}

}  // namespace
}  // namespace aurum::backup
