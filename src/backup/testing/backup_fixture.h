#pragma once

#include <fstream>
#include <functional>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "backup/archive.h"
#include "backup/archive_report.h"
#include "backup/pgbackrest.h"
#include "backup/pgbackrest_conf.h"
#include "pg/programs.h"
#include "pg/testing/servers.h"

/// A real PostgreSQL, and a second one to restore to, with a repository on the same disk.
namespace aurum::backup::testing {

namespace fs = std::filesystem;

inline std::string aurum_program() {
  if (const char* program = std::getenv("AURUM_PROGRAM")) return program;
  return (fs::read_symlink("/proc/self/exe").parent_path() / "aurum").string();
}

/// The pgBackRest that the tests are about: Debian's, or $AURUM_TEST_PGBACKREST (./dev test-full).
inline std::string pgbackrest_program() {
  const char* other = std::getenv("AURUM_TEST_PGBACKREST");
  return other != nullptr ? other : "pgbackrest";
}
/// What tools/fetch-pgbackrest has put into build/tools; "" = it did not.
inline std::string fetched_tool(const std::string& folder, const std::string& program) {
  const auto tools = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "tools";
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(tools, ec))
    if (entry.path().filename().string().starts_with(folder) &&
        fs::exists(entry.path() / program, ec))
      return (entry.path() / program).string();
  return {};
}
inline std::string newer_pgbackrest() { return fetched_tool("pgbackrest-", "pgbackrest"); }
inline std::string find_sshd() {
  const auto fetched = fetched_tool("openssh-", "sshd");
  return fetched.empty() && fs::exists("/usr/sbin/sshd") ? "/usr/sbin/sshd" : fetched;
}

class Backup : public pg::testing::PostgresSystem {
 protected:
  Backup() {
    fs::create_directory(root_ / "run");
    // Stands before the real one, to hang when the test wants it, or to have another clock.
    std::ofstream(root_ / "pgbackrest.sh")
        << "#!/bin/sh\n[ ! -e " << hang().string() << " ] || exec sleep 600\n[ ! -e "
        << environment().string() << " ] || . " << environment().string() << "\nexec "
        << pgbackrest_program() << " \"$@\"\n";
    ::chmod((root_ / "pgbackrest.sh").c_str(), 0755);
    for (auto* node : {&one_, &two_}) configure(*node);
  }
  ~Backup() override { ::chmod(repository().c_str(), 0755); }

  void configure(pg::testing::Node& node) {
    model::BackupConfig backup;
    backup.stanza = "demo";
    backup.program = (root_ / "pgbackrest.sh").string();
    backup.work_dir = root_ / (node.config.name + ".pgbackrest");
    backup.archive_push_timeout_s = 30;
    backup.archive_stop_timeout_s = 1;
    backup.repositories.push_back({.path = repository().string(),
                                   .bundle = true,
                                   .cipher_pass = "se cret",
                                   .retention_full = 2});
    node.config.aurum.backup = backup;
    auto commands = archive_commands(backup, aurum_program(), root_ / "run");
    node.config.pg.archive_command = commands.archive_command;
    node.config.pg.restore_command = commands.restore_command;
    const auto written = write_pgbackrest_conf(node.config, {});
    ASSERT_TRUE(written) << written.error().text();
  }
  /// Another pgBackRest, also for the archive.
  void use_program(pg::testing::Node& node, const std::string& program) {
    auto& backup = *node.config.aurum.backup;
    backup.program = program;
    const auto written = write_pgbackrest_conf(node.config, {});
    ASSERT_TRUE(written) << written.error().text();
    auto commands = archive_commands(backup, aurum_program(), root_ / "run");
    node.config.pg.archive_command = commands.archive_command;
    node.config.pg.restore_command = commands.restore_command;
  }
  fs::path repository() const { return root_ / "repository"; }
  fs::path hang() const { return root_ / "hang"; }
  fs::path environment() const { return root_ / "environment"; }
  ArchiveReport report() { return read_archive_report(root_ / "run", one_.config.pg.data_dir); }
  /// Waits for a condition on the archiving, at most 80 s: PostgreSQL's archiver pauses for 60 s.
  ArchiveReport report_until(const std::function<bool(const ArchiveReport&)>& good) {
    const Instant until = runtime::now() + seconds(80);
    for (;;) {
      auto now = report();
      if (good(now) || runtime::now() > until) return now;
      sql(one_, "SELECT pg_sleep(0.05)");
    }
  }
  void stop_within(Duration limit) {
    const Instant begin = runtime::now();
    const auto stopped = wait(one_.pg.stop(model::StopMode::fast, seconds(40), false));
    ASSERT_TRUE(stopped) << stopped.error().text();
    EXPECT_LT(runtime::now() - begin, limit);
  }
  void start() {
    const auto started = wait(one_.pg.start({.primary = true}, dynamic_, seconds(30)));
    ASSERT_TRUE(started) << started.error().text();
  }
  void restore_to_two(const std::string& program = pgbackrest_program()) {
    const auto& backup = *two_.config.aurum.backup;
    const auto end = wait(runtime::run_process(
        {.argv = {program, "--config=" + backup.config_file().string(), "--stanza=demo",
                  "--recovery-option=restore_command=" + two_.config.pg.restore_command,
                  "restore"}}));
    ASSERT_TRUE(end) << end.error().text();
    ASSERT_TRUE(end->ok()) << end->reason();
    const auto postgres = pg::find_pg_program(two_.config.pg, "postgres", 15);
    ASSERT_TRUE(postgres);
    const auto launched =
        wait(two_.launcher.launch({*postgres, "-D", two_.config.pg.data_dir.string(), "-p",
                                   std::to_string(two_.config.pg.port()), "-c",
                                   "listen_addresses=127.0.0.1", "-c", "archive_mode=off"},
                                  pg::postmaster_environment(), "/"));
    ASSERT_TRUE(launched) << launched.error().text();
  }
  /// Of the table t, as soon as the server is there.
  void expect_count(pg::testing::Node& node, const std::string& rows) {
    const Instant until = runtime::now() + seconds(30);
    std::string found;
    while (found != rows && runtime::now() < until) {
      io_.restart();
      io_.run_for(std::chrono::milliseconds(50));
      found = sql(node, "SELECT count(*) FROM t");
    }
    EXPECT_EQ(found, rows);
  }
};

}  // namespace aurum::backup::testing
