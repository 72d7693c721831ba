// Scenario: the series of pgbackrest_exporter, from what pgBackRest told of three backups.
#include "backup/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backup/show.h"
#include "backup/testing/recorded.h"

namespace aurum::backup {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Exporter, has_the_names_and_labels_of_pgbackrest_exporter) {
  const auto catalogue = parse_catalogue(testing::kThreeBackups, "main");
  ASSERT_TRUE(catalogue);
  const auto text = render_exporter(*catalogue, "main", 1795398930);
  for (const char* line :
       {"# TYPE pgbackrest_stanza_status gauge\npgbackrest_stanza_status{stanza=\"main\"} 0\n",
        "pgbackrest_stanza_backup_lock_status{stanza=\"main\"} 0\n",
        "pgbackrest_repo_status{cipher=\"none\",repo_key=\"1\",stanza=\"main\"} 0\n",
        "pgbackrest_backup_info{backrest_ver=\"2.45\",backup_name=\"20261123-015337F\",backup_type="
        "\"full\",block_incr=\"n\",database_id=\"1\",repo_key=\"1\",stanza=\"main\",lsn_start=\"0/"
        "2000028\",lsn_stop=\"0/2000100\",pg_version=\"15\",prior=\"\",wal_start="
        "\"000000010000000000000002\",wal_stop=\"000000010000000000000002\"} 1\n",
        "pgbackrest_backup_size_bytes{backup_name=\"20261123-015337F_20261123-015345D\",backup_"
        "type="
        "\"diff\",block_incr=\"n\",database_id=\"1\",repo_key=\"1\",stanza=\"main\"} 23213824\n",
        "pgbackrest_backup_repo_delta_bytes{backup_name=\"20261123-015337F_20261123-015345D\"",
        "pgbackrest_backup_error_status{",
        "start_time=\"2026-11-23 01:53:37\",stop_time=\"2026-11-23 01:53:44\"} 7\n",
        "pgbackrest_backup_since_last_completion_seconds{backup_type=\"full\",block_incr=\"n\","
        "stanza=\"main\"} 106\n",
        "pgbackrest_backup_since_last_completion_seconds{backup_type=\"incr\",block_incr=\"n\","
        "stanza=\"main\"} 100\n",
        "pgbackrest_backup_last_size_bytes{backup_type=\"diff\",block_incr=\"n\",stanza=\"main\"} "
        "23213824\n",
        "pgbackrest_wal_archive_status{database_id=\"1\",pg_version=\"15\",repo_key=\"1\",stanza="
        "\"main\",wal_max=\"\",wal_min=\"\"} 1\n",
        "pgbackrest_exporter_status{stanza=\"main\"} 1\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

// A full is also the newest diff and incr, as a diff is the newest incr.
TEST(Exporter, a_stronger_backup_is_also_the_last_of_weaker_kinds) {
  Catalogue catalogue;
  catalogue.backups = {{.label = "1I", .type = "incr", .stop = 50},
                       {.label = "2F", .type = "full", .stop = 100}};
  const auto text = render_exporter(catalogue, "x\"y", 160);
  for (const char* type : {"full", "diff", "incr"})
    EXPECT_THAT(text, HasSubstr(std::string("since_last_completion_seconds{backup_type=\"") + type +
                                "\",block_incr=\"n\",stanza=\"x\\\"y\"} 60\n"));
  catalogue.backups.pop_back();
  EXPECT_THAT(render_exporter(catalogue, "x", 160), Not(HasSubstr("completion_seconds{")));
}

TEST(Schedule, is_shown_in_eighty_columns) {
  model::BackupSchedule schedule;
  schedule.full = *model::Cron::parse("0 2 * * 0");
  schedule.incr = *model::Cron::parse("0 * * * *");
  schedule.restore_test = *model::Cron::parse("0 5 * * 0");
  BackupKeys keys;
  keys.state.add({.kind = RunKind::full, .node = "n1", .started = 1795312800, .ended = 1795312900});
  keys.state.add({.kind = RunKind::incr,
                  .node = "n2",
                  .started = 1795399200,
                  .ended = 1795399201,
                  .error = std::string(300, 'x')});
  keys.lock = LockHolder{.node = "n3", .kind = RunKind::incr, .started = 1795399260, .percent = 42};
  keys.trial_lock =
      LockHolder{"n2", RunKind::restore_test, 1795399260, -1, std::string("replaying WAL")};
  keys.trials.add({.at = "2026-11-22T05:00:07+00:00",
                   .node = "n2",
                   .backup = "20261122-020000F",
                   .ok = true,
                   .rto_s = 12,
                   .rpo_s = 3});
  const auto text = render_schedule(schedule, "demo", keys, 1795399300);
  EXPECT_EQ(text,
            "kind     times                last run                  next run          (UTC)\n"
            "full     0 2 * * 0            2026-11-22 02:00          2026-11-29 02:00\n"
            "diff     off                  never                     -\n"
            "incr     0 * * * *            2026-11-23 02:00 FAILED   2026-11-23 03:00\n"
            "verify   off                  never                     -\n"
            "test     0 5 * * 0            2026-11-22 05:00          2026-11-29 05:00\n"
            "running: incr on n3 since 2026-11-23 02:01, 42 %\n"
            "FAILS 1 times, last on n2:\n  " +
                std::string(66, 'x') +
                "\n"
                "restore test runs on n2 since 2026-11-23 02:01: replaying WAL\n"
                "restore test: 2026-11-22 05:00 UTC on n2: ok, RTO 12 s, RPO 3 s\n"
                "  of 20261122-020000F\n");
  const auto value = schedule_value(schedule, "demo", keys, 1795399300);
  EXPECT_EQ(value.at({"incr", "next"})->as_int(), 1795402800);
  EXPECT_EQ(value.at({"full", "last_good", "node"})->text(), "n1");
  EXPECT_EQ(value.at({"running", "node"})->text(), "n3");
}

TEST(Schedule, tells_what_is_proved) {
  model::BackupSchedule schedule;
  schedule.restore_test = *model::Cron::parse("0 5 * * 0");
  const std::int64_t full = 1795312800, now = 1795399300;
  BackupKeys keys;
  keys.state.add({.kind = RunKind::full, .node = "n1", .started = full, .ended = full + 100});
  keys.state.add({.kind = RunKind::verify, .node = "n1", .started = full + 200});
  keys.trials.add({.at = "2026-11-22T05:00:07+00:00", .node = "n2", .backup = "F", .ok = true});
  keys.trials.add_failure({.node = "n3", .started = now - 60, .error = "no room"});
  Catalogue catalogue;
  catalogue.backups = {{.label = "F", .type = "full", .start = full, .stop = full + 100},
                       {.label = "I", .type = "incr", .start = full + 300, .stop = full + 400}};
  auto document = model::parse_json(catalogue_json(catalogue, "demo")).value();
  add_proofs(document, keys);
  const auto& rows = document.find("backups")->as_array();
  EXPECT_TRUE(rows[0].find("verified")->as_bool());
  EXPECT_TRUE(rows[0].find("restore_tested")->as_bool());
  EXPECT_FALSE(rows[1].find("verified")->as_bool()) << "it is newer than that look";
  EXPECT_FALSE(rows[1].find("restore_tested")->as_bool());

  EXPECT_EQ(render_proofs(catalogue, keys),
            "verified: up to F, 1 newer not yet\nrestore-tested: F\n");
  EXPECT_EQ(render_proofs(catalogue, {}),
            "verified: none yet\nrestore-tested: none of these yet\n");
  EXPECT_EQ(render_proofs({}, keys), "");
  catalogue.backups.erase(catalogue.backups.begin());
  EXPECT_EQ(render_proofs(catalogue, keys),
            "verified: none yet\nrestore-tested: none of these yet\n")
      << "what was tested is gone";

  const auto tests = trials_value(schedule, "demo", keys, now);
  EXPECT_EQ(tests.at({"last", "backup"})->text(), "F");
  EXPECT_EQ(tests.find("late_seconds")->as_int(), 0);
  EXPECT_EQ(tests.find("failed")->as_array()[0].find("error")->text(), "no room");
  const auto text = render_schedule(schedule, "demo", keys, now);
  EXPECT_THAT(text, HasSubstr("test     0 5 * * 0            2026-11-23 02:00 FAILED"));
  EXPECT_THAT(text, HasSubstr("restore test FAILS 1 times, last on n3:\n  no room\n"));
}

TEST(ArchiveLag, is_what_is_written_behind_the_last_archived_file) {
  ArchiveReport report;
  EXPECT_EQ(archive_lag_bytes(report, {1}), 0) << "nothing was archived here yet";
  report.state.ok_file = "000000010000000000000004";
  EXPECT_EQ(archive_lag_bytes(report, {5U << 24}), 0);
  EXPECT_EQ(archive_lag_bytes(report, {(5U << 24) + 100}), 100);
  EXPECT_EQ(archive_lag_bytes(report, {1}), 0);
  EXPECT_EQ(archive_lag_seconds(report, {5'000'000}), 0);
  report.waiting = 2;
  report.waiting_since.us = 2'000'000;
  EXPECT_EQ(archive_lag_seconds(report, {5'000'000}), 3);
  EXPECT_EQ(archive_lag_seconds(report, {1'000'000}), 0) << "the clock was set back";
}

}  // namespace
}  // namespace aurum::backup
