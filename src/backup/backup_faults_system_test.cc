// Scenario: what can be wrong with a repository is said in one line that names it, and a good one
// is not harmed.
#include <fstream>

#include "backup/testing/backup_fixture.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BackupFaults : public testing::Backup {
 protected:
  model::BackupConfig& backup() { return *one_.config.aurum.backup; }
  void write_conf() {
    const auto written = write_pgbackrest_conf(one_.config, {});
    ASSERT_TRUE(written) << written.error().text();
  }
  std::string take(const std::string& type = "incr") {
    const auto made = wait(Pgbackrest(one_.config).take(type, {}));
    return made ? "" : made.error().text();
  }
  std::string verify() {
    const auto verified = wait(Pgbackrest(one_.config).verify());
    return verified ? "" : verified.error().text();
  }
  /// Files of the repository whose path has this in it.
  std::vector<fs::path> files(const std::string& part) {
    std::vector<fs::path> out;
    for (const auto& entry : fs::recursive_directory_iterator(repository()))
      if (entry.is_regular_file() && entry.path().string().find(part) != std::string::npos)
        out.push_back(entry.path());
    std::ranges::sort(out);
    return out;
  }
};

TEST_F(BackupFaults, are_named_and_leave_a_good_repository_alone) {
  backup().repositories[0].bundle = false;
  write_conf();
  bootstrap();
  ASSERT_EQ(take("full"), "");

  // Another key.
  backup().repositories[0].cipher_pass = "another";
  write_conf();
  EXPECT_THAT(take(), HasSubstr("cannot be decrypted"));
  backup().repositories[0].cipher_pass = "se cret";
  // A stanza that was never made, and one that was.
  Pgbackrest remembers(one_.config);
  backup().stanza = "other";
  write_conf();
  remembers.remember(system_identifier_);
  const auto lost = wait(remembers.take("incr", {}));
  ASSERT_FALSE(lost);
  EXPECT_THAT(lost.error().text(), HasSubstr("the repository has lost the stanza other"));
  backup().stanza = "demo";
  write_conf();
  // Nothing may be written.
  for (const auto& folder : {repository() / "backup" / "demo", repository() / "archive" / "demo"})
    ASSERT_EQ(::chmod(folder.c_str(), 0500), 0);
  EXPECT_THAT(take(), HasSubstr("Permission denied"));
  for (const auto& folder : {repository() / "backup" / "demo", repository() / "archive" / "demo"})
    ASSERT_EQ(::chmod(folder.c_str(), 0700), 0);
  ASSERT_EQ(take(), "");
  EXPECT_EQ(verify(), "");

  // A backup's file is damaged, and WAL is missing.
  for (int i = 0; i < 3; ++i) sql(one_, "SELECT pg_switch_wal()");
  const auto newest = sql(one_, "SELECT pg_walfile_name(pg_current_wal_lsn())");
  ASSERT_EQ(take(), "");
  const auto victim = files("/pg_data/global/pg_control").front();
  std::ofstream(victim, std::ios::in | std::ios::out | std::ios::binary).seekp(40) << "damaged";
  EXPECT_THAT(verify(), HasSubstr("pg_control"));
  const auto segments = files("/archive/demo/15-1/0000000100000000/");
  ASSERT_GT(segments.size(), 4U);
  const auto gap = segments[segments.size() - 3];
  fs::remove(gap);
  EXPECT_THAT(verify(), HasSubstr("WAL is missing between"));
}

// The machine's clock was two hours ahead, and was put right: pgBackRest names backups by it.
TEST_F(BackupFaults, a_clock_that_was_set_back_is_no_obstacle) {
  constexpr const char* kLibrary = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
  if (!fs::exists(kLibrary)) GTEST_SKIP() << "no libfaketime here";
  bootstrap();
  ASSERT_EQ(take("full"), "");
  std::ofstream(environment()) << "export LD_PRELOAD=" << kLibrary
                               << " FAKETIME=-2h FAKETIME_DONT_FAKE_MONOTONIC=1\n";
  EXPECT_EQ(take("incr"), "");
  EXPECT_EQ(take("full"), "");
  fs::remove(environment());
  EXPECT_EQ(take("incr"), "");
  EXPECT_EQ(verify(), "");
  const auto found = wait(Pgbackrest(one_.config).catalogue());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->backups.size(), 4U);
}

// Several repositories have all WAL and a backup each, however they are written.
TEST_F(BackupFaults, of_one_of_two_repositories_leave_the_other_its_backups) {
  const auto second = root_ / "second";
  backup().repositories.push_back({.path = second.string(), .bundle = true, .retention_full = 2});
  backup().archive_async = true;
  backup().compress = "zst";
  write_conf();
  bootstrap();
  ASSERT_EQ(take("full"), "");
  for (const char* compress : {"gz", "none"}) {
    backup().compress = compress;
    write_conf();
    ASSERT_EQ(take("incr"), "") << compress;
  }
  const auto in = [&](int repository) {
    const auto found = wait(Pgbackrest(one_.config).catalogue());
    return found ? std::ranges::count_if(
                       found->backups,
                       [&](const auto& made) { return made.repository == repository; })
                 : -1;
  };
  EXPECT_EQ(in(1), 3);
  EXPECT_EQ(in(2), 3);
  EXPECT_EQ(verify(), "");
  const auto checked = wait(Pgbackrest(one_.config).check());
  EXPECT_TRUE(checked) << checked.error().text();
  EXPECT_TRUE(wait(Pgbackrest(one_.config).list_repository("backup/demo")));

  ASSERT_EQ(::chmod((repository() / "backup" / "demo").c_str(), 0500), 0);
  EXPECT_THAT(take(), HasSubstr("--repo=1"));
  EXPECT_EQ(in(2), 4) << "the other one is well";
  ASSERT_EQ(::chmod((repository() / "backup" / "demo").c_str(), 0700), 0);
  for (const auto& entry : fs::recursive_directory_iterator(second / "backup"))
    if (entry.path().string().find("/bundle/") != std::string::npos)
      std::ofstream(entry.path(), std::ios::in | std::ios::out | std::ios::binary) << "damaged";
  EXPECT_THAT(verify(), HasSubstr("--repo=2"));
}

// What is written while the repository is away waits, and nothing of it is missing afterwards.
TEST_F(BackupFaults, a_repository_that_was_gone_under_load_gets_every_file_when_it_is_back) {
  write_conf();
  bootstrap();
  ASSERT_EQ(take("full"), "");
  sql(one_, "CREATE TABLE t(i int)");
  fs::rename(repository(), root_ / "gone");
  constexpr std::size_t kFiles = 12;
  for (std::size_t i = 0; i < kFiles; ++i)
    sql(one_, "INSERT INTO t SELECT generate_series(1, 100)"), sql(one_, "SELECT pg_switch_wal()");
  const auto away = report_until([](const auto& r) { return r.waiting >= kFiles && r.failing(); });
  EXPECT_GE(away.waiting, kFiles);
  EXPECT_THAT(away.state.error, HasSubstr("archive.info"));
  fs::rename(root_ / "gone", repository());
  EXPECT_EQ(report_until([](const auto& r) { return r.waiting == 0; }).waiting, 0U);
  EXPECT_FALSE(report().failing());
  EXPECT_EQ(take("incr"), "");
  EXPECT_EQ(verify(), "") << "no file is missing";
}

// As pg_upgrade leaves it: a newer PostgreSQL with a system identifier of its own.
TEST_F(BackupFaults, after_an_upgrade_of_postgresql_the_stanza_follows_and_begins_with_a_full) {
  const auto newer = testing::newer_pgbackrest();
  const auto server = testing::fetched_tool("pg-17", "usr/lib/postgresql/17/bin/postgres");
  if (newer.empty() || server.empty())
    GTEST_SKIP() << "needs another PostgreSQL and pgBackRest: ./dev test-full fetches them";
  for (auto* node : {&one_, &two_}) use_program(*node, newer);
  bootstrap();
  ASSERT_EQ(take("full"), "");
  const auto former = system_identifier_;
  const auto stopped = wait(one_.pg.stop(model::StopMode::fast, seconds(40), false));
  ASSERT_TRUE(stopped) << stopped.error().text();

  two_.config.pg.bin_dir = fs::path(server).parent_path().string();
  const auto made = wait(two_.pg.initdb(dynamic_));
  ASSERT_TRUE(made) << made.error().text();
  const auto started = wait(two_.pg.start({.primary = true}, dynamic_, seconds(30)));
  ASSERT_TRUE(started) << started.error().text();
  // Who does not know whose backups they were touches nothing.
  const auto stranger = wait(Pgbackrest(two_.config).take("incr", {}));
  ASSERT_FALSE(stranger);
  EXPECT_THAT(stranger.error().text(), HasSubstr("belongs to another cluster"));
  Pgbackrest pgbackrest(two_.config);
  pgbackrest.remember(former);
  const auto first = wait(pgbackrest.take("incr", {}));
  ASSERT_TRUE(first) << first.error().text();
  EXPECT_EQ(first->type, "full") << "an incr has nothing to build on";
  const auto found = wait(pgbackrest.catalogue());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->databases.size(), 2U);
  EXPECT_EQ(found->databases.back().version, "17");
}

TEST_F(BackupFaults, a_full_disk_is_named_and_keeps_the_wal) {
  const char* disk = std::getenv("AURUM_TEST_SMALL_DISK");
  if (disk == nullptr) GTEST_SKIP() << "needs root, to mount a small disk";
  backup().repositories[0].path = std::string(disk) + "/repository";
  backup().include = root_ / "user.conf";
  std::ofstream(backup().include) << "[global]\narchive-timeout=5\n";
  write_conf();
  bootstrap();
  ASSERT_TRUE(wait(Pgbackrest(one_.config).ensure_stanza()));
  EXPECT_NE(take("full"), "") << "it is larger than the disk";
  sql(one_,
      "CREATE TABLE t AS SELECT sha512(i::text::bytea)::text AS x FROM generate_series(1, 50000) "
      "i");
  sql(one_, "SELECT pg_switch_wal()");
  const auto failing = report_until([](const auto& r) { return r.state.failures >= 1; });
  EXPECT_THAT(failing.state.error, HasSubstr("No space left on device"));
  EXPECT_GE(failing.waiting, 1U);
}

}  // namespace
}  // namespace aurum::backup
