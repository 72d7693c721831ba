#include "cli/timestamp.h"

#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>

namespace aurum::cli {
namespace {

class Timestamp : public testing::Test {
 protected:
  void use_zone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }
  void TearDown() override { use_zone("UTC"); }
};

TEST_F(Timestamp, KeepsTheZoneThatIsGiven) {
  EXPECT_EQ(parse_schedule("2026-11-23T04:00:00+00:00"), "2026-11-23T04:00:00+00:00");
  EXPECT_EQ(parse_schedule("2026-11-23 07:00+02"), "2026-11-23T07:00:00+02:00");
  EXPECT_EQ(parse_schedule("2026-11-23T04:00:01.5Z"), "2026-11-23T04:00:01.500000+00:00");
  EXPECT_EQ(parse_schedule("2026-11-23T04:00-0330"), "2026-11-23T04:00:00-03:30");
}

TEST_F(Timestamp, WithoutAZoneIsLocalTimeOnThatDay) {
  use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
  EXPECT_EQ(parse_schedule("2026-01-15T12:00"), "2026-01-15T12:00:00+01:00");
  EXPECT_EQ(parse_schedule("2026-07-15T12:00"), "2026-07-15T12:00:00+02:00");
}

TEST_F(Timestamp, NowIsEmpty) { EXPECT_EQ(parse_schedule("now"), ""); }

TEST_F(Timestamp, RefusesWhatIsAmbiguousOrImpossible) {
  for (const auto* text : {"", "n", "04:00", "2026-11-23", "2026-02-30T04:00", "2026-11-23T24:00",
                           "2026-11-23T04:60", "2026-11-23T04:00 tomorrow", "11/23/2026 04:00",
                           "2026-11-23T04:00+25:00", "2026-11-23T04:00:00."}) {
    const auto at = parse_schedule(text);
    ASSERT_FALSE(at) << text;
    EXPECT_EQ(at.error().message, "Unable to parse scheduled timestamp (" + std::string(text) +
                                      "). It should be in an unambiguous format (e.g. ISO 8601)");
  }
}

TEST_F(Timestamp, IsShownWithFiveDigitsOfASecond) {
  use_zone("UTC");
  const WallTime at{1'795'384'098'433'471};
  EXPECT_EQ(local_fraction(at), "2026-11-22 21:48:18.43347");
  EXPECT_EQ(example_schedule(at), "2026-11-22T22:48");
}

}  // namespace
}  // namespace aurum::cli
