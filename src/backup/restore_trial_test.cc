#include "backup/restore_trial.h"

#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

TEST(RestoreTrial, comes_back_from_the_store_and_is_told_on_one_line) {
  RestoreTrial trial{.at = "2026-11-23T04:00:07.000000+00:00", .node = "b", .backup = "F"};
  trial.ok = true;
  trial.rto_s = 12.25;
  trial.rpo_s = 3;
  trial.checksums = "ok";
  trial.checks = {{"SELECT true", true, "t"}};
  const auto again = parse_restore_trial(model::to_json(to_value(trial)));
  ASSERT_TRUE(again);
  EXPECT_EQ(model::to_json(to_value(*again)), model::to_json(to_value(trial)));
  EXPECT_EQ(restore_trial_line(*again),
            "restore test: 2026-11-23 04:00 UTC on b: ok, RTO 12 s, RPO 3 s");
  trial.ok = false;
  trial.error = "no room";
  EXPECT_EQ(restore_trial_line(trial), "restore test: 2026-11-23 04:00 UTC on b: FAILED: no room");
  for (std::string_view bad : {"", "[]", "{"}) EXPECT_FALSE(parse_restore_trial(bad));
  EXPECT_TRUE(parse_restore_trial("{}"));
}

}  // namespace
}  // namespace aurum::backup
