// Scenario: a real PostgreSQL and a real pgBackRest with a repository on the same disk: the stanza
// is made, WAL archived, backups taken; the repository dies and comes back; what was saved is
// restored by pgBackRest's own command.
#include <iostream>
#include <sched.h>
#include <sys/mount.h>

#include "backup/testing/backup_fixture.h"
#include "runtime/users.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Backup : public testing::Backup {};

TEST_F(Backup, is_taken_listed_and_restored_and_a_dead_repository_delays_nobody) {
  bootstrap();
  Pgbackrest pgbackrest(one_.config);
  auto made = wait(pgbackrest.ensure_stanza());
  ASSERT_TRUE(made) << made.error().text();
  made = wait(pgbackrest.ensure_stanza());
  ASSERT_TRUE(made) << "a second time: " << made.error().text();

  sql(one_, "CREATE TABLE t(i int); INSERT INTO t SELECT generate_series(1, 1000)");
  Progress last{.percent = -1};
  const auto full = wait(pgbackrest.take("full", [&last](const Progress& p) {
    EXPECT_GE(p.percent, last.percent) << "the bar goes back";
    EXPECT_GE(p.bytes, last.bytes);
    last = p;
  }));
  ASSERT_TRUE(full) << full.error().text();
  EXPECT_EQ(full->type, "full");
  EXPECT_GT(last.percent, 99);
  // Each line has its file's size with two digits: all of them are the database's, more or less.
  EXPECT_NEAR(static_cast<double>(last.bytes), static_cast<double>(full->size),
              static_cast<double>(full->size) / 20);
  sql(one_, "INSERT INTO t SELECT generate_series(1001, 1500)");
  const auto incr = wait(pgbackrest.take("incr", {}));
  ASSERT_TRUE(incr) << incr.error().text();
  EXPECT_EQ(incr->type, "incr");
  const auto checked = wait(pgbackrest.check());
  EXPECT_TRUE(checked) << checked.error().text();
  const auto verified = wait(pgbackrest.verify());
  EXPECT_TRUE(verified) << verified.error().text();
  EXPECT_TRUE(wait(pgbackrest.expire()));

  // By hand, as on any host that has pgBackRest: its file is named by the environment.
  const auto by_hand = [&](std::vector<std::string> words) {
    words.insert(words.begin(), testing::pgbackrest_program());
    const auto file = one_.config.aurum.backup->config_file().string();
    auto end = wait(runtime::run_process(
        {.argv = words, .env = pg::child_environment({"PGBACKREST_CONFIG=" + file})}));
    return end && end->ok() ? end->out : "failed: " + (end ? end->reason() : end.error().text());
  };
  EXPECT_EQ(by_hand({"--stanza=demo", "backup", "--type=full", "--log-level-console=off"}), "");
  EXPECT_THAT(by_hand({"info"}),
              AllOf(HasSubstr("stanza: demo"), HasSubstr("full backup: " + full->label),
                    HasSubstr("incr backup: " + incr->label)));
  const auto catalogue = wait(pgbackrest.catalogue());
  ASSERT_TRUE(catalogue);
  ASSERT_EQ(catalogue->backups.size(), 3U);
  EXPECT_EQ(catalogue->backups[2].type, "full");
  EXPECT_EQ(catalogue->backups[0].label, full->label);
  EXPECT_EQ(catalogue->databases.back().system_identifier, system_identifier_);
  EXPECT_FALSE(report().failing());

  // The repository fails: WAL stays, it is told, and a stop waits for nobody.
  ASSERT_EQ(::chmod(repository().c_str(), 0), 0);
  sql(one_, "INSERT INTO t VALUES (1501); SELECT pg_switch_wal()");
  auto failing = report_until([](const auto& r) { return r.state.failures >= 3; });
  EXPECT_GE(failing.state.failures, 3);
  EXPECT_GT(failing.state.open_until, Instant{});
  EXPECT_THAT(failing.state.error, HasSubstr("Permission denied"));
  EXPECT_GE(failing.waiting, 1U);
  EXPECT_EQ(failing.oldest_waiting, failing.state.failed_file);
  stop_within(seconds(10));

  // It is back: what waited is archived, nothing is missing.
  ASSERT_EQ(::chmod(repository().c_str(), 0755), 0);
  start();
  auto good = report_until([](const auto& r) { return !r.failing() && r.waiting == 0; });
  EXPECT_FALSE(good.failing()) << good.state.error;
  EXPECT_EQ(good.waiting, 0U);

  sql(one_, "INSERT INTO t VALUES (1502)");  // committed before the switch
  const auto newest = sql(one_, "SELECT pg_walfile_name(pg_switch_wal())");
  report_until([&](const auto& r) { return r.state.ok_file >= newest; });
  restore_to_two();
  const Instant until = runtime::now() + seconds(30);
  while (sql(two_, "SELECT pg_is_in_recovery()") != "f" && runtime::now() < until) {
  }
  EXPECT_EQ(sql(two_, "SELECT count(*) FROM t"), "1502");
  EXPECT_EQ(sql(two_, "SELECT timeline_id FROM pg_control_checkpoint()"), "2");
}

TEST_F(Backup, a_hanging_repository_delays_no_stop) {
  bootstrap();
  ASSERT_TRUE(wait(Pgbackrest(one_.config).ensure_stanza()));
  std::ofstream(hang()) << "";
  sql(one_, "SELECT pg_switch_wal()");
  // FAILURES F38: without the deadline this would last for 600 s.
  stop_within(seconds(10));
  const auto left = report();
  EXPECT_GE(left.waiting, 1U) << "the file is kept";
  EXPECT_EQ(left.state.error, "it did not end in time");
  fs::remove(hang());
  start();
  EXPECT_EQ(report_until([](const auto& r) { return r.waiting == 0; }).waiting, 0U);
}

TEST_F(Backup, a_repository_that_is_not_mounted_gets_no_new_stanza) {
  bootstrap();
  Pgbackrest pgbackrest(one_.config);
  ASSERT_TRUE(wait(pgbackrest.ensure_stanza()));
  fs::rename(repository(), root_ / "elsewhere");
  const auto refused = wait(pgbackrest.take("full", {}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::not_found);
  EXPECT_THAT(refused.error().text(), HasSubstr("Mount the repository."));
  EXPECT_FALSE(fs::exists(repository()));

  // Nor does another cluster's repository take our backups.
  fs::rename(root_ / "elsewhere", repository());
  auto initialised = wait(two_.pg.initdb(dynamic_));
  ASSERT_TRUE(initialised) << initialised.error().text();
  const auto stranger = wait(Pgbackrest(two_.config).ensure_stanza());
  ASSERT_FALSE(stranger);
  EXPECT_THAT(stranger.error().message, HasSubstr("the stanza belongs to another cluster"));
}

TEST_F(Backup, of_a_standby_makes_no_stanza) {
  fs::create_directory(one_.config.pg.data_dir);
  std::ofstream(one_.config.pg.data_dir / "standby.signal") << "";
  const auto refused = wait(Pgbackrest(one_.config).ensure_stanza());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::rejected);
}

}  // namespace
}  // namespace aurum::backup

namespace {

/// Disks that are soon full, for the tests of those: over /mnt and /media, and for this process
/// only.
void mount_small_disks(const aurum::runtime::User& user) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return;
  const auto options =
      ",mode=0700,uid=" + std::to_string(user.uid) + ",gid=" + std::to_string(user.gid);
  if (::mount("tmpfs", "/mnt", "tmpfs", 0, ("size=3m" + options).c_str()) == 0)
    ::setenv("AURUM_TEST_SMALL_DISK", "/mnt", 1);
  if (::mount("tmpfs", "/media", "tmpfs", 0, ("size=200m" + options).c_str()) == 0)
    ::setenv("AURUM_TEST_SCRATCH_DISK", "/media", 1);
}

}  // namespace

/// PostgreSQL refuses to run as root: everything happens as user postgres then.
int main(int argc, char** argv) {
  if (::geteuid() == 0) {
    const auto postgres = aurum::runtime::find_user("postgres");
    if (postgres) mount_small_disks(*postgres);
    const auto became = postgres ? aurum::runtime::become_user(*postgres)
                                 : aurum::Status(aurum::fail(postgres.error()));
    if (!became || ::chdir("/tmp") != 0) {
      std::cerr << "cannot become user postgres\n";
      return 1;
    }
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
