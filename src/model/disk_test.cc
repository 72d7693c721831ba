// How much room is enough.

#include "model/disk.h"

#include <gtest/gtest.h>

namespace aurum::model {
namespace {

constexpr std::uint64_t MB = 1 << 20, GB = MB << 10, TB = GB << 10;

DiskFacts left(std::uint64_t available, std::uint64_t capacity) {
  return {.data = {.available = available, .capacity = capacity}, .wal = {}};
}

TEST(DiskLimit, is_a_share_or_a_size) {
  EXPECT_EQ(parse_disk_limit("10%")->percent, 10);
  EXPECT_EQ(parse_disk_limit("2.5 %")->percent, 2.5);
  EXPECT_EQ(parse_disk_limit("20GB")->bytes, 20 * GB);
  EXPECT_EQ(parse_disk_limit("512 MB")->bytes, 512 * MB);
  EXPECT_EQ(parse_disk_limit("0")->bytes, 0U);
  for (const char* bad : {"", "GB", "20", "-1%", "101%", "20gb", "1e300TB", "nan%", "20GB x"})
    EXPECT_FALSE(parse_disk_limit(bad)) << bad;
}

TEST(DiskLevel, of_small_and_large_volumes) {
  const DiskConfig config;
  struct Case {
    std::uint64_t available, capacity;
    DiskLevel level;
  };
  for (const Case& c :
       {Case{50 * GB, 100 * GB, DiskLevel::ok}, Case{9 * GB, 100 * GB, DiskLevel::low},
        Case{1 * GB, 100 * GB, DiskLevel::critical}, Case{30 * GB, 10 * TB, DiskLevel::ok},
        Case{19 * GB, 10 * TB, DiskLevel::low}, Case{3 * GB, 10 * TB, DiskLevel::critical},
        Case{60 * MB, 1 * GB, DiskLevel::low}, Case{10 * MB, 1 * GB, DiskLevel::critical},
        Case{0, 1 * GB, DiskLevel::critical}, Case{0, 0, DiskLevel::ok}})
    EXPECT_EQ(disk_level(left(c.available, c.capacity), config, DiskLevel::ok), c.level)
        << c.available << " of " << c.capacity;
}

TEST(DiskLevel, is_left_only_well_above_its_limit) {
  const DiskConfig config;
  const DiskFacts just = left(2 * GB + 100 * MB, 100 * GB);
  EXPECT_EQ(disk_level(just, config, DiskLevel::low), DiskLevel::low);
  EXPECT_EQ(disk_level(just, config, DiskLevel::critical), DiskLevel::critical);
  EXPECT_EQ(disk_level(left(3 * GB, 100 * GB), config, DiskLevel::critical), DiskLevel::low);
}

TEST(DiskLevel, is_that_of_the_worse_volume) {
  DiskFacts facts = left(50 * GB, 100 * GB);
  facts.wal = Volume{.available = 100 * MB, .capacity = 20 * GB};
  EXPECT_EQ(disk_level(facts, {}, DiskLevel::ok), DiskLevel::critical);
  EXPECT_EQ(room_text(facts), "100 MB of 20 GB are left on the WAL volume");
}

TEST(Ballast, is_made_with_room_to_spare_and_given_up_when_it_is_needed) {
  const DiskConfig config;
  const Volume roomy{.available = 50 * GB, .capacity = 100 * GB};
  EXPECT_EQ(ballast_wanted(roomy, config, DiskLevel::ok), 256 * MB);
  EXPECT_EQ(ballast_wanted(roomy, config, DiskLevel::critical), 0U);
  EXPECT_EQ(ballast_wanted(roomy, config, DiskLevel::low), 0U) << "the other volume is low";
  const Volume tight{.available = 12 * GB, .capacity = 100 * GB};
  EXPECT_EQ(ballast_wanted(tight, config, DiskLevel::ok), 0U) << "it would make it low";
  const Volume small{.available = 900 * MB, .capacity = 1 * GB};
  EXPECT_EQ(ballast_wanted(small, config, DiskLevel::ok), GB / 100);
  Volume held = tight;
  held.ballast = 64 * MB;
  EXPECT_EQ(ballast_wanted(held, config, DiskLevel::low), 64 * MB) << "as it is";
  EXPECT_EQ(ballast_wanted(roomy, {.ballast = 0}, DiskLevel::ok), 0U);
}

}  // namespace
}  // namespace aurum::model
