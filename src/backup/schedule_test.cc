// Scenario: the same keys make every member find the same run due; who is the source follows from
// the roles; and neither a wrong clock nor a run that was cut short holds up the next one.
#include "backup/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backup/locked_run.h"
#include "model/time_zone.h"

namespace aurum::backup {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::int64_t at(const std::string& utc) {
  return model::parse_iso8601(utc + ":00+00:00").value().us / 1'000'000;
}
model::BackupSchedule usual() {
  model::BackupSchedule out;
  out.full = *model::Cron::parse("0 2 * * 0");
  out.diff = *model::Cron::parse("0 2 * * *");
  out.incr = *model::Cron::parse("0 * * * *");
  out.verify = *model::Cron::parse("0 4 * * 0");
  return out;
}
backup::Run run(RunKind kind, const std::string& started, int minutes = 1, std::string error = {}) {
  return {.kind = kind,
          .node = "n1",
          .started = at(started),
          .ended = at(started) + minutes * 60,
          .error = std::move(error)};
}
/// A stanza that is known, and these runs.
ClusterBackups after(std::vector<backup::Run> runs) {
  ClusterBackups out{.system_identifier = "7", .version = "15"};
  for (auto& one : runs) out.add(std::move(one));
  return out;
}
std::string due(const model::BackupSchedule& schedule, const ClusterBackups& state,
                const std::string& now) {
  const auto found = due_run(schedule, "demo", state, {"7", "15", at(now)});
  return found ? std::string(to_string(found->kind)) : "";
}

// 2026-11-22 is a Sunday: full at 2, verify at 4.
TEST(Due, follows_the_times_and_a_stronger_backup_makes_weaker_ones_needless) {
  const auto full = run(RunKind::full, "2026-11-22T02:00");
  const auto verified = run(RunKind::verify, "2026-11-22T04:00");
  struct Case {
    std::vector<backup::Run> runs;
    const char *now, *due;
  };
  for (const auto& c : std::vector<Case>{
           {{full}, "2026-11-22T02:01", ""},
           {{full}, "2026-11-22T02:59", ""},
           {{full}, "2026-11-22T03:00", "incr"},
           {{full, run(RunKind::incr, "2026-11-22T03:00")}, "2026-11-22T03:30", ""},
           {{full, run(RunKind::incr, "2026-11-22T04:00")}, "2026-11-22T04:01", "verify"},
           {{full, run(RunKind::incr, "2026-11-22T04:00"), verified}, "2026-11-22T04:30", ""},
           {{full, verified, run(RunKind::incr, "2026-11-23T01:00")}, "2026-11-23T02:00", "diff"},
           {{full, verified, run(RunKind::diff, "2026-11-23T02:00")}, "2026-11-23T02:10", ""},
           {{full, verified, run(RunKind::diff, "2026-11-28T02:00")}, "2026-11-29T02:00", "full"},
           // one that ran across the time of another does not make it needless
           {{run(RunKind::full, "2026-11-22T02:00", 90)}, "2026-11-22T03:30", "incr"},
           // a manual one counts as well
           {{full, verified, run(RunKind::full, "2026-11-23T02:30")}, "2026-11-23T02:40", ""},
       })
    EXPECT_EQ(due(usual(), after(c.runs), c.now), c.due) << c.now;
}

TEST(Due, what_was_missed_is_made_up_for_once_or_left_out) {
  auto skip = usual();
  skip.catch_up = false;
  const auto verified = run(RunKind::verify, "2026-11-22T04:00");
  const auto old = after({run(RunKind::full, "2026-11-22T02:00"), verified});
  // Three days without power: the diff comes, the incrs are in it.
  EXPECT_EQ(due(usual(), old, "2026-11-25T10:30"), "diff");
  EXPECT_EQ(due(usual(),
                after({run(RunKind::full, "2026-11-22T02:00"), verified,
                       run(RunKind::diff, "2026-11-25T10:30")}),
                "2026-11-25T10:31"),
            "");
  EXPECT_EQ(due(skip, old, "2026-11-25T10:30"), "");
  EXPECT_EQ(due(skip, old, "2026-11-25T11:05"), "incr") << "its time has just come";
  // A try that began in time goes on beyond it.
  const auto failed = after({run(RunKind::full, "2026-11-22T02:00"), verified,
                             run(RunKind::incr, "2026-11-25T11:01", 1, "disk full")});
  EXPECT_EQ(due(skip, failed, "2026-11-25T11:30"), "incr");
}

TEST(Due, a_cluster_without_a_backup_gets_a_full_one_at_once) {
  EXPECT_EQ(due(usual(), after({}), "2026-11-25T10:30"), "full");
  auto off = usual();
  off.full = off.diff = off.incr = std::nullopt;
  EXPECT_EQ(due(off, after({}), "2026-11-25T10:30"), "");
  auto skip = usual();
  skip.catch_up = false;
  EXPECT_EQ(due(skip, after({}), "2026-11-25T10:30"), "");
}

TEST(Due, the_stanza_comes_first_and_after_an_upgrade_again) {
  EXPECT_EQ(due(usual(), ClusterBackups{}, "2026-11-25T10:30"), "stanza");
  auto state = after({run(RunKind::full, "2026-11-25T02:00")});
  state.version = "14";
  EXPECT_EQ(due(usual(), state, "2026-11-25T10:30"), "stanza");
  state.version = "15";
  state.system_identifier = "6";
  EXPECT_EQ(due(usual(), state, "2026-11-25T10:30"), "stanza");
  EXPECT_FALSE(due_run(usual(), "demo", state, {"", "", at("2026-11-25T10:30")}))
      << "nobody knows yet what the cluster is";
}

TEST(Due, a_failure_is_tried_again_after_a_pause_that_grows) {
  std::vector<backup::Run> runs{run(RunKind::full, "2026-11-22T02:00"),
                                run(RunKind::verify, "2026-11-22T04:00")};
  const auto with = [&](int failures) {
    auto state = after(runs);
    for (int i = 0; i < failures; ++i)
      state.add(run(RunKind::incr, "2026-11-25T11:00", 1, "refused"));
    return state;
  };
  const auto moment = at("2026-11-25T11:01");
  const auto is_due = [&](int failures, std::int64_t later) {
    return due_run(usual(), "demo", with(failures), {"7", "15", moment + later}).has_value();
  };
  for (const auto& [failures, pause] :
       {std::pair{1, 10}, {2, 60}, {3, 300}, {5, 1800}, {50, 1800}}) {
    EXPECT_FALSE(is_due(failures, pause - 1)) << failures;
    EXPECT_TRUE(is_due(failures, pause)) << failures;
  }
}

TEST(Due, a_run_that_was_cut_short_comes_again_at_once) {
  auto state =
      after({run(RunKind::full, "2026-11-22T02:00"), run(RunKind::verify, "2026-11-22T04:00"),
             run(RunKind::diff, "2026-11-25T10:00")});
  EXPECT_EQ(due(usual(), state, "2026-11-25T10:05"), "");
  state.running = run(RunKind::diff, "2026-11-25T10:04");
  EXPECT_EQ(due(usual(), state, "2026-11-25T10:05"), "diff");
  state.running->kind = RunKind::verify;
  EXPECT_EQ(due(usual(), state, "2026-11-25T10:05"), "") << "its own time decides";
}

// It gave way to a restore of the cluster, or to another leader: that is no failure.
TEST(Due, a_run_that_was_stopped_is_due_again_without_a_pause) {
  auto state =
      after({run(RunKind::full, "2026-11-22T02:00"), run(RunKind::verify, "2026-11-22T04:00")});
  state.add_stopped(run(RunKind::diff, "2026-11-25T10:00", 1, "it was stopped"));
  EXPECT_EQ(state.failures, 0);
  EXPECT_TRUE(state.recent.back().interrupted);
  EXPECT_EQ(due(usual(), state, "2026-11-25T10:02"), "diff");
}

// The clock was a year ahead once: what was done then must not stop backups for a year.
TEST(Due, a_stamp_from_the_future_counts_as_never) {
  auto state =
      after({run(RunKind::full, "2026-11-22T02:00"), run(RunKind::verify, "2026-11-22T04:00"),
             run(RunKind::incr, "2027-11-25T10:00")});
  EXPECT_EQ(due(usual(), state, "2026-11-25T10:05"), "diff");
  state.add(run(RunKind::diff, "2026-11-25T10:05"));
  EXPECT_EQ(due(usual(), state, "2026-11-25T10:07"), "");
  state.add(run(RunKind::incr, "2027-11-25T10:00", 1, "refused"));
  EXPECT_EQ(due(usual(), state, "2026-11-25T11:00"), "incr") << "no pause either";
  // A little ahead is another node's clock.
  const auto skewed =
      after({run(RunKind::full, "2026-11-22T02:00"), run(RunKind::verify, "2026-11-22T04:00"),
             run(RunKind::diff, "2026-11-25T10:06")});
  EXPECT_EQ(due(usual(), skewed, "2026-11-25T10:05"), "");
}

TEST(Due, jitter_is_the_same_on_every_node_and_within_its_bound) {
  auto schedule = usual();
  schedule.jitter_s = 600;
  std::int64_t least = 600, most = 0;
  for (int i = 0; i < 50; ++i) {
    const auto scope = "cluster-" + std::to_string(i);
    const auto next = next_time(schedule, scope, RunKind::incr, at("2026-11-25T10:30")).value();
    const auto later = next - at("2026-11-25T11:00");
    EXPECT_EQ(next_time(schedule, scope, RunKind::incr, next - 1), next);
    least = std::min(least, later);
    most = std::max(most, later);
  }
  EXPECT_GE(least, 0);
  EXPECT_LE(most, 600);
  EXPECT_GT(most - least, 300);
}

TEST(Due, what_the_repository_has_counts_but_not_of_the_cluster_before_an_upgrade) {
  ClusterBackups state{.system_identifier = "7", .version = "15"};
  Catalogue catalogue;
  catalogue.databases = {{"14", "6", 1}, {"15", "7", 2}};
  catalogue.backups = {
      {.label = "F1", .type = "full", .start = at("2026-11-22T02:00"), .database_id = 1}};
  adopt_catalogue(state, catalogue);
  EXPECT_EQ(due(usual(), state, "2026-11-22T02:30"), "full");
  catalogue.backups.push_back(
      {.label = "F2", .type = "full", .start = at("2026-11-22T02:01"), .database_id = 2});
  adopt_catalogue(state, catalogue);
  EXPECT_EQ(state.good.at(RunKind::full).label, "F2");
  EXPECT_EQ(due(usual(), state, "2026-11-22T02:30"), "");
}

TEST(Sources, prefer_the_freshest_standby_and_end_with_the_leader) {
  const std::vector<Source> three{
      {"n1", true, true, {100}}, {"n2", false, true, {80}}, {"n3", false, true, {90}}};
  const ClusterBackups none;
  auto schedule = usual();
  EXPECT_THAT(source_order(schedule, three, RunKind::incr, none, 0), ElementsAre("n3", "n2", "n1"));
  auto only_leader = three;
  only_leader[1].able = only_leader[2].able = false;
  EXPECT_THAT(source_order(schedule, only_leader, RunKind::incr, none, 0), ElementsAre("n1"));
  schedule.from = "primary";
  EXPECT_THAT(source_order(schedule, three, RunKind::full, none, 0), ElementsAre("n1"));
  EXPECT_THAT(source_order(schedule, three, RunKind::verify, none, 0),
              ElementsAre("n3", "n2", "n1"));
  schedule.from = "n2";
  EXPECT_THAT(source_order(schedule, three, RunKind::full, none, 0), ElementsAre("n2"));
  EXPECT_THAT(source_order(schedule, three, RunKind::full, none, kNamedGone_s),
              ElementsAre("n2", "n3", "n1"));
  auto gone = three;
  gone[1].able = false;
  EXPECT_THAT(source_order(schedule, gone, RunKind::full, none, 0), IsEmpty());
  EXPECT_THAT(source_order(schedule, gone, RunKind::full, none, kNamedGone_s),
              ElementsAre("n3", "n1"));
  EXPECT_THAT(source_order(schedule, three, RunKind::stanza, none, 0), ElementsAre("n1"));
}

// A new cluster, or one behind a failover: its standbys stream in a moment.
TEST(Sources, the_leader_is_none_while_a_standby_is_about_to_come) {
  std::vector<Source> two{{"n1", true, true, {100}}, {"n2", false, false, {80}}};
  auto schedule = usual();
  const auto order = [&](RunKind kind, std::int64_t waited) {
    return source_order(schedule, two, kind, {}, waited);
  };
  EXPECT_THAT(order(RunKind::full, 0), ElementsAre("n1"))
      << "a standby that pgBackRest can not reach";
  two[1].comes = true;
  EXPECT_THAT(order(RunKind::full, 0), IsEmpty());
  EXPECT_THAT(order(RunKind::full, kStandbyComes_s), ElementsAre("n1"));
  EXPECT_THAT(order(RunKind::stanza, 0), ElementsAre("n1"));
  schedule.from = "primary";
  EXPECT_THAT(order(RunKind::full, 0), ElementsAre("n1"));
}

TEST(Sources, who_failed_last_is_the_last) {
  auto state = after({});
  auto failed = run(RunKind::incr, "2026-11-25T10:00", 1, "no");
  failed.node = "n3";
  state.add(failed);
  const std::vector<Source> three{
      {"n1", true, true, {100}}, {"n2", false, true, {80}}, {"n3", false, true, {90}}};
  EXPECT_THAT(source_order(usual(), three, RunKind::incr, state, 0), ElementsAre("n2", "n1", "n3"));
}

}  // namespace
}  // namespace aurum::backup
