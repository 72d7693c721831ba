// Scenario: `aurum.backup` of patroni.yml is understood, and each mistake in it has one clear line.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "model/testing/config_text.h"

namespace aurum::model {
namespace {

using ::testing::HasSubstr;

using testing::errors;

Loaded with(const std::string& backup) { return testing::with_section("backup", backup); }

TEST(BackupConfig, is_off_unless_the_section_is_there) {
  const auto loaded = parse_config(testing::kLeastConfig, {});
  ASSERT_TRUE(loaded.config) << errors(loaded);
  EXPECT_FALSE(loaded.config->aurum.backup);
}

TEST(BackupConfig, has_defaults_that_need_a_path_only) {
  const auto loaded = with("{repositories: [{path: /backup}]}");
  ASSERT_TRUE(loaded.config) << errors(loaded);
  const auto& backup = *loaded.config->aurum.backup;
  EXPECT_EQ(backup.stanza, "demo");
  EXPECT_EQ(backup.work_dir, "/data/pg/main.pgbackrest");
  EXPECT_EQ(backup.config_file(), "/data/pg/main.pgbackrest/pgbackrest.conf");
  EXPECT_EQ(backup.compress, "lz4");
  EXPECT_EQ(backup.archive_push_timeout_s, 60);
  ASSERT_EQ(backup.repositories.size(), 1U);
  EXPECT_EQ(backup.repositories[0].type, "posix");
}

TEST(BackupConfig, reads_secrets_from_files) {
  const aurum::testing::TempDir dir;
  std::ofstream(dir / "cipher") << "quite secret\n";
  std::ofstream(dir / "s3") << "key\n";
  const auto loaded =
      with("{stanza: main, repositories: [{type: s3, path: /demo, cipher_pass_file: " +
           (dir / "cipher").string() +
           ", retention: {full: 14, full_type: time, diff: 3}, bundle: true,"
           " options: {s3-bucket: b, s3-key-secret_file: " +
           (dir / "s3").string() + ", storage-verify-tls: false}}]}");
  ASSERT_TRUE(loaded.config) << errors(loaded);
  const auto& repository = loaded.config->aurum.backup->repositories[0];
  EXPECT_EQ(repository.cipher_pass, "quite secret");
  EXPECT_EQ(repository.retention_full, 14);
  EXPECT_EQ(repository.retention_full_type, "time");
  const std::map<std::string, std::string> options{
      {"s3-bucket", "b"}, {"s3-key-secret", "key"}, {"storage-verify-tls", "n"}};
  EXPECT_EQ(repository.options, options);
  EXPECT_EQ(to_json(loaded.config->raw).find("quite secret"), std::string::npos)
      << "--print shows the tree as it was read";
}

TEST(BackupConfig, is_scheduled_unless_it_is_switched_off) {
  const auto usual = with("{repositories: [{path: /backup}]}");
  ASSERT_TRUE(usual.config) << errors(usual);
  const auto& weekly = usual.config->aurum.backup->schedule;
  EXPECT_EQ(weekly.full->text(), "0 2 * * 0");
  EXPECT_EQ(weekly.diff->text(), "0 2 * * *");
  EXPECT_EQ(weekly.incr->text(), "0 * * * *");
  EXPECT_EQ(weekly.verify->text(), "0 4 * * 0");
  EXPECT_FALSE(weekly.restore_test);
  EXPECT_EQ(weekly.zone.name(), "UTC");
  EXPECT_TRUE(weekly.catch_up);
  EXPECT_EQ(weekly.from, "prefer-standby");
  EXPECT_EQ(usual.config->aurum.backup->tls_port, 8432);

  const auto own = with(
      "{repositories: [{path: /backup}], full: \"@weekly\", diff: off, incr: \"*/30 * * * *\", "
      "verify:"
      " \"off\", restore_test: 0 5 * * 0, time_zone: Europe/Berlin, jitter: 5min, missed: skip, "
      "from:"
      " n2, tls: {host: db1, listen: 10.0.0.1, port: 8433}}");
  ASSERT_TRUE(own.config) << errors(own);
  const auto& schedule = own.config->aurum.backup->schedule;
  EXPECT_EQ(schedule.full->text(), "@weekly");
  EXPECT_FALSE(schedule.diff);
  EXPECT_EQ(schedule.incr->text(), "*/30 * * * *");
  EXPECT_FALSE(schedule.verify);
  EXPECT_EQ(schedule.restore_test->text(), "0 5 * * 0");
  EXPECT_EQ(schedule.zone.name(), "Europe/Berlin");
  EXPECT_EQ(schedule.jitter_s, 300);
  EXPECT_FALSE(schedule.catch_up);
  EXPECT_EQ(schedule.from, "n2");
  EXPECT_EQ(own.config->aurum.backup->tls_host, "db1");
}

TEST(BackupConfig, names_what_a_restore_test_looks_at_and_where) {
  const auto usual = with("{repositories: [{path: /backup}]}");
  ASSERT_TRUE(usual.config) << errors(usual);
  const auto& backup = *usual.config->aurum.backup;
  EXPECT_EQ(backup.restore_test.dir, backup.work_dir / "restore-test");
  EXPECT_TRUE(backup.restore_test.on.empty());
  const auto own = with(
      "{repositories: [{path: /backup}], restore_test_on: n3, restore_test_dir: /scratch/t,"
      " restore_test_cgroup: /sys/fs/cgroup/test, restore_test_database: shop,"
      " restore_test_checks: [\"SELECT count(*) > 1, 2 FROM orders\", SELECT true]}");
  ASSERT_TRUE(own.config) << errors(own);
  const auto& test = own.config->aurum.backup->restore_test;
  EXPECT_EQ(test.on, "n3");
  EXPECT_EQ(test.dir, "/scratch/t");
  EXPECT_EQ(test.cgroup, "/sys/fs/cgroup/test");
  EXPECT_EQ(test.database, "shop");
  EXPECT_EQ(test.checks,
            (std::vector<std::string>{"SELECT count(*) > 1, 2 FROM orders", "SELECT true"}));
}

TEST(BackupConfig, mistakes_have_one_clear_line) {
  struct Case {
    const char *backup, *line;
  };
  for (const auto& c : {
           Case{"{}",
                "aurum.backup.repositories is not defined (in patroni.yml) (hint: List "
                "where backups are kept, for example [{path: /backup}].)"},
           Case{"{repositories: []}", "aurum.backup.repositories is not defined"},
           Case{"{repositories: [{path: /b}], restore_test_dir: scratch}",
                "aurum.backup.restore_test_dir: must be absolute"},
           Case{"{repositories: [{path: /b}], work_dir: /w, restore_test_dir: /w/}",
                "aurum.backup.restore_test_dir: must be a folder of its own"},
           Case{"{repositories: /backup}", "aurum.backup.repositories: must be a list"},
           Case{"{repositories: [/backup]}", "aurum.backup.repositories[1]: must be a map"},
           Case{"{repositories: [{}]}", "aurum.backup.repositories[1].path is not defined"},
           Case{"{repositories: [{path: b}]}", "[1].path: must be absolute"},
           Case{"{repository: [{path: /b}]}",
                "aurum.backup.repository is not a known key (in patroni.yml) (hint: Did you mean "
                "\"repositories\"?)"},
           Case{"{repositories: [{path: /b}, {path: /c, retention: {ful: 2}}]}",
                "aurum.backup.repositories[2].retention.ful is not a known key (in patroni.yml) "
                "(hint: Did you mean \"full\"?)"},
           Case{"{repositories: [{path: /b, retention: {full: -1}}]}",
                "[1].retention.full: -1 is not between 0 and"},
           Case{"{repositories: [{path: /b, type: tape}]}", "[1].type: \"tape\" is none of"},
           Case{"{repositories: [{path: /b, block: true}]}", "[1].block: needs bundle: true"},
           Case{"{repositories: [{path: /b, cipher_pass_file: /nowhere/x}]}",
                "[1].cipher_pass_file: cannot read /nowhere/x"},
           Case{"{repositories: [{path: /b, options: {repo1-s3-bucket: b}}]}",
                "options.repo1-s3-bucket: must not begin with \"repo\""},
           Case{"{repositories: [{path: /b, options: {s3_bucket: b}}]}",
                "options.s3_bucket is no option's name"},
           Case{"{repositories: [{path: /b, options: {path: /c}}]}",
                "options.path: has a key of its own"},
           Case{"{repositories: [{path: /b, options: {s3-key: \"a\\nrepo1-path=/x\"}}]}",
                "options.s3-key: must be one line"},
           Case{"{repositories: [{path: \"/b\\nx=y\"}]}", "[1].path: must be one line"},
           Case{"{repositories: [{host: r}]}", "[1].host: needs aurum.backup.tls"},
           Case{"{tls: {cert_file: /c, key_file: /k}, repositories: [{host: r, path: /b}]}",
                "[1].path: belongs into the pgbackrest.conf of the repository's host"},
           Case{"{compress: rar, repositories: [{path: /b}]}", "compress: \"rar\" is none of"},
           Case{"{stanza: a/b, repositories: [{path: /b}]}",
                "aurum.backup.stanza: \"a/b\" is no name of a stanza"},
           Case{"{archive_push_timeout: 0, repositories: [{path: /b}]}",
                "aurum.backup.archive_push_timeout: 0 is not between 1 and 86400"},
           Case{"{full: \"0 2 * * 8\", repositories: [{path: /b}]}",
                "aurum.backup.full: day of the week \"8\" is not understood"},
           Case{"{incr: \"\", repositories: [{path: /b}]}",
                "aurum.backup.incr: \"\" is no cron expression"},
           Case{"{verify: true, repositories: [{path: /b}]}",
                "aurum.backup.verify: \"true\" is no cron expression"},
           Case{"{time_zone: Mars/Base, repositories: [{path: /b}]}",
                "aurum.backup.time_zone: \"Mars/Base\" is no time zone"},
           Case{"{jitter: 2d, repositories: [{path: /b}]}",
                "aurum.backup.jitter: 172800 is not between 0 and 86400"},
           Case{"{missed: maybe, repositories: [{path: /b}]}",
                "aurum.backup.missed: \"maybe\" is none of"},
           Case{"{from: a/b, repositories: [{path: /b}]}",
                "aurum.backup.from: must not contain \"/\""},
           Case{"{tls: {port: 0}, repositories: [{path: /b}]}",
                "aurum.backup.tls.port: 0 is not between 1 and 65535"},
           Case{"{work_dir: x, repositories: [{path: /b}]}", "work_dir: must be absolute"},
           Case{"[a]", "aurum.backup: must be a map"},
       }) {
    const auto loaded = with(c.backup);
    EXPECT_FALSE(loaded.config) << c.backup;
    EXPECT_THAT(errors(loaded), HasSubstr(c.line)) << c.backup;
  }
}

}  // namespace
}  // namespace aurum::model
