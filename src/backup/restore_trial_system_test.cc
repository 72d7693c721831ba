// Scenario: a real backup is proved in a scratch folder; and whatever becomes of the one who does
// it, no server and no folder stays behind.
#include <csignal>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "backup/restore_trial.h"
#include "backup/scratch_cluster.h"
#include "backup/scratch_sweep.h"
#include "backup/testing/backup_fixture.h"
#include "base/testing/temp_dir.h"
#include "pg/postmaster.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class RestoreTrialSystem : public testing::Backup {
 protected:
  void SetUp() override {
    bootstrap();
    sql(one_, "CREATE TABLE t AS SELECT 7 AS i");
    const auto made = wait(Pgbackrest(one_.config).take("full", {}));
    ASSERT_TRUE(made) << made.error().text();
    plan_.backup = *made;
    plan_.timeline = 1;
    sql(one_, "UPDATE t SET i = 8");  // committed before the switch
    sql(one_, "SELECT pg_switch_wal()");
    report_until([](const auto& r) { return r.waiting == 0; });
  }
  RestoreTrial try_it(std::vector<std::string> checks) {
    return wait(try_restore(one_.config, {.dir = scratch(),
                                          .plan = plan_,
                                          .node = "n1",
                                          .program = testing::aurum_program(),
                                          .database = "postgres",
                                          .checks = std::move(checks)}));
  }
  fs::path scratch() const { return root_ / "scratch"; }
  void expect_nothing_left() {
    EXPECT_FALSE(fs::exists(scratch()));
    EXPECT_FALSE(fs::exists(pg::outer_marker(scratch())));
    EXPECT_TRUE(pg::processes_in(scratch()).empty());
  }
  RestorePlan plan_;
};

TEST_F(RestoreTrialSystem, recovers_to_the_newest_wal_checks_and_removes_it) {
  const auto good = try_it({"SELECT i = 8 FROM t"});
  EXPECT_TRUE(good.ok) << good.error;
  EXPECT_EQ(good.checksums, "ok");
  EXPECT_EQ(good.amcheck, "ok");
  EXPECT_GT(good.rto_s, 0);
  EXPECT_FALSE(good.newest.empty());
  expect_nothing_left();

  const auto bad = try_it({"SELECT i = 7 FROM t"});
  EXPECT_FALSE(bad.ok);
  EXPECT_THAT(bad.error, HasSubstr("said f"));
  expect_nothing_left();

  plan_.backup.size = std::int64_t{1} << 50;
  const auto large = try_it({});
  EXPECT_THAT(large.error, HasSubstr("a restore test there wants"));
  expect_nothing_left();
  ASSERT_TRUE(fs::create_directory(scratch()));
  std::ofstream(scratch() / "precious") << "of somebody else";
  EXPECT_THAT(try_it({}).error, HasSubstr("is not empty"));
  EXPECT_TRUE(fs::exists(scratch() / "precious"));
  EXPECT_FALSE(fs::exists(pg::outer_marker(scratch()))) << "it would tell of a clone";
}

TEST_F(RestoreTrialSystem, reaches_each_kind_of_target_and_stops_there) {
  // Committed one after the other; each is the last that its target lets in.
  sql(one_, "CREATE TABLE seen(what text)");
  const auto note = [&](const char* what) {
    return sql(one_, fmt::format("INSERT INTO seen VALUES ('{}') RETURNING "
                                 "pg_current_xact_id()::text",
                                 what));
  };
  note("name");
  sql(one_, "SELECT pg_create_restore_point('here')");
  note("lsn");
  const auto lsn = sql(one_, "SELECT pg_current_wal_lsn()");
  const auto xid = note("xid");
  note("latest");
  sql(one_, "SELECT pg_switch_wal()");
  report_until([](const auto& r) { return r.waiting == 0; });
  using Kind = model::RecoveryTarget::Kind;
  const std::pair<model::RecoveryTarget, const char*> targets[] = {{{Kind::name, "here"}, "name"},
                                                                   {{Kind::lsn, lsn}, "lsn"},
                                                                   {{Kind::xid, xid}, "xid"},
                                                                   {{Kind::latest, ""}, "latest"}};
  for (const auto& [target, last] : targets) {
    SCOPED_TRACE(last);
    plan_.target = target;
    const auto tried = try_it({fmt::format(
        "SELECT bool_or(what = '{0}') AND count(*) = CASE '{0}' WHEN 'name' THEN 1 WHEN 'lsn' "
        "THEN 2 WHEN 'xid' THEN 3 ELSE 4 END FROM seen",
        last)});
    EXPECT_TRUE(tried.ok) << tried.error;
  }
  plan_.target = {Kind::xid, "4000000"};
  const auto nowhere = try_it({});
  EXPECT_FALSE(nowhere.ok);
  EXPECT_THAT(nowhere.error, HasSubstr("before"));
  expect_nothing_left();
}

// The disk is that of the node's own PostgreSQL in most places: others come first.
TEST_F(RestoreTrialSystem, ends_when_the_disk_fills_up_meanwhile) {
  const char* disk = std::getenv("AURUM_TEST_SCRATCH_DISK");
  if (disk == nullptr) GTEST_SKIP() << "needs root, to mount a small disk";
  const fs::path dir = fs::path(disk) / "scratch";
  const auto fill = [&](const std::string& doing) {
    if (doing != "checking") return;
    const auto free = fs::space(disk).available;
    std::ofstream(fs::path(disk) / "filler") << std::string(free - (5U << 20), 'x');
  };
  const auto trial = wait(try_restore(one_.config, {.dir = dir,
                                                    .plan = plan_,
                                                    .node = "n1",
                                                    .program = testing::aurum_program(),
                                                    .database = "postgres",
                                                    .checks = {"SELECT pg_sleep(45) IS NULL"},
                                                    .progress = fill}));
  fs::remove(fs::path(disk) / "filler");
  EXPECT_THAT(trial.error, HasSubstr("fills up"));
  EXPECT_FALSE(fs::exists(dir));
  EXPECT_TRUE(pg::processes_in(dir).empty());
}

// As kill -9 leaves it: a server that nobody knows, and its folder.
TEST_F(RestoreTrialSystem, what_was_left_behind_goes_and_what_is_held_stays) {
  int server = 0;
  {
    ScratchCluster copy(one_.config, scratch(), CopyUse::test, testing::aurum_program());
    ASSERT_TRUE(wait(copy.begin()));
    ASSERT_TRUE(wait(copy.fetch(plan_.backup.label, {})));
    const auto recovered = wait(copy.recover({}, 1));
    ASSERT_TRUE(recovered) << recovered.error().text();
    const auto found = pg::find_postmaster(scratch());
    ASSERT_TRUE(found);
    server = found->file.pid;
    ASSERT_TRUE(sweep_scratch(scratch())) << "somebody works there: it is left alone";
    EXPECT_EQ(::kill(server, 0), 0);
    ScratchCluster second(one_.config, scratch(), CopyUse::test, testing::aurum_program());
    const auto refused = wait(second.begin());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::exists);
  }
  const auto swept = sweep_scratch(scratch());
  ASSERT_TRUE(swept) << swept.error().text();
  expect_nothing_left();
}

TEST(Scratch, a_folder_without_our_marker_is_nobodys_to_sweep) {
  const aurum::testing::TempDir dir;
  ASSERT_TRUE(fs::create_directory(dir / "data"));
  std::ofstream(dir / "data" / "precious") << "x";
  ASSERT_TRUE(sweep_scratch(dir / "data"));
  EXPECT_TRUE(fs::exists(dir / "data" / "precious"));
  std::ofstream(pg::outer_marker(dir / "data")) << "cloning from node-1\n";
  ASSERT_TRUE(sweep_scratch(dir / "data"));
  EXPECT_TRUE(fs::exists(dir / "data" / "precious"));
  EXPECT_TRUE(fs::exists(pg::outer_marker(dir / "data")));
  EXPECT_FALSE(ScratchHold::take(dir / "data"));
  // A marker of somebody who died before it was written.
  std::ofstream(pg::outer_marker(dir / "data")) << "";
  ASSERT_TRUE(sweep_scratch(dir / "data"));
  EXPECT_TRUE(fs::exists(dir / "data" / "precious"));
  EXPECT_FALSE(fs::exists(pg::outer_marker(dir / "data")));
}

}  // namespace
}  // namespace aurum::backup
