#include "sim/profile.h"

#include <gtest/gtest.h>

#include "sim/faults.h"

namespace aurum::sim {
namespace {

TEST(Profile, is_made_of_parts_and_what_is_not_named_is_drawn) {
  EXPECT_EQ(shape_of(*parse_profile("sync-fast-3"), 1).text().substr(0, 19), "3 nodes, sync, fast");
  EXPECT_EQ(shape_of(*parse_profile("patroni"), 5).pace, Profile::Pace::patroni);
  EXPECT_EQ(shape_of(*parse_profile("7"), 5).nodes, 7);
  EXPECT_TRUE(shape_of(*parse_profile("archive-sync"), 5).archive);
  EXPECT_TRUE(shape_of(*parse_profile("fence"), 5).fence);
  EXPECT_TRUE(shape_of(*parse_profile("failsafe"), 5).failsafe);
  EXPECT_TRUE(shape_of(*parse_profile("standby"), 5).standby);
  EXPECT_FALSE(shape_of(*parse_profile("mixed"), 5).standby);
  for (const char* bad :
       {"", "sync-async", "fast-fast", "8", "sync-", "mixed-sync", "archive-archive", "x"})
    EXPECT_FALSE(parse_profile(bad)) << bad;
}

TEST(Faults, of_a_plan_do_not_depend_on_what_becomes_of_the_run) {
  const FaultMix mix = *parse_faults("default");
  const auto a = plan_faults(mix, 3, seconds(60), 9), b = plan_faults(mix, 3, seconds(60), 9);
  ASSERT_GT(a.size(), 10u);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].text(), b[i].text());
  EXPECT_TRUE(plan_faults(*parse_faults("none"), 3, seconds(60), 9).empty());
  EXPECT_FALSE(parse_faults("weather"));
}

}  // namespace
}  // namespace aurum::sim
