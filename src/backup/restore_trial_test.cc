#include "backup/restore_trial.h"

#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

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

TEST(RestoreTrial, leaves_room_for_others) {
  EXPECT_EQ(reserve_of(100'000), 5000U);
  EXPECT_EQ(reserve_of(std::uintmax_t{10} << 40), std::uintmax_t{5} << 30);
}

TEST(RestoreTrial, takes_what_cpu_and_memory_others_leave_and_enters_its_control_group) {
  const aurum::testing::TempDir group;
  const auto as_it_should = [&] {
    const auto yielded = yield_to_others(group.path());
    int score = 0;
    std::ifstream("/proc/self/oom_score_adj") >> score;
    return yielded && ::getpriority(PRIO_PROCESS, 0) == 19 && score == 1000;
  };
  // In a process of its own: nobody gets a priority back.
  EXPECT_EXIT(::_exit(as_it_should() ? 0 : 1), ::testing::ExitedWithCode(0), "");
  int pid = 0;
  std::ifstream(group / "cgroup.procs") >> pid;
  EXPECT_GT(pid, 0);
  const auto refused = [&] {
    const auto yielded = yield_to_others(group / "none");
    return !yielded && yielded.error().code == Code::permission;
  };
  EXPECT_EXIT(::_exit(refused() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace aurum::backup
