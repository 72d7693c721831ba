// Scenario: PostgreSQL calls archive_command and restore_command while the repository answers,
// fails or hangs, and while the server runs, stops, follows, promotes or restores. A script stands
// for pgBackRest (archive_system_test.cc has the real one).
#include "backup/archive.h"

#include <fstream>
#include <functional>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backup/promotion_mark.h"
#include "runtime/clock.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Archive : public ::testing::Test {
 protected:
  Archive() {
    std::string pattern = (fs::temp_directory_path() / "aurum-archive-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    fs::create_directory(root_ / "data");
    fs::create_directory(root_ / "run");
    repository("exit 0");
  }
  ~Archive() override {
    std::error_code ec;
    fs::remove_all(root_, ec);
  }

  /// What pgBackRest does from now on; each call adds its arguments to a file.
  void repository(const std::string& does) {
    std::ofstream(root_ / "pgbackrest")
        << "#!/bin/sh\necho \"$@\" >> " << (root_ / "calls").string() << "\n"
        << does << "\n";
    ::chmod((root_ / "pgbackrest").c_str(), 0755);
  }
  void touch(const char* file, const char* text = "") {
    std::ofstream(root_ / "data" / file) << text;
  }
  void stopping() { touch("postmaster.pid", "1\n/d\n2\n5432\n/s\n*\n  3 4\nstopping\n"); }
  std::size_t calls() {
    std::ifstream file(root_ / "calls");
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) ++count;
    return count;
  }
  ArchiveCall call(Way way) {
    return {.way = way,
            .program = (root_ / "pgbackrest").string(),
            .config_file = "c",
            .stanza = "main",
            .state_dir = root_ / "run",
            .timeout = milliseconds(700),
            .stop_timeout = milliseconds(200),
            .file = "000000010000000000000001",
            .path = "pg_wal/000000010000000000000001",
            .data_dir = root_ / "data"};
  }
  int push() { return run_archive(call(Way::push)); }
  int get() { return run_archive(call(Way::get)); }
  ArchiveState state(Way way) { return read_archive_state(root_ / "run", way); }
  /// A call of which nothing may be left behind after `limit`.
  static Duration measured(const std::function<void()>& work) {
    const Instant begin = runtime::now();
    work();
    return runtime::now() - begin;
  }

  fs::path root_;
};

constexpr const char* kHang = "exec sleep 30";
constexpr const char* kFail = "echo 'ERROR: [041]: unable to open the repository' >&2; exit 41";

TEST_F(Archive, a_pushed_file_is_remembered) {
  EXPECT_EQ(push(), kDone);
  EXPECT_EQ(state(Way::push).ok_file, "000000010000000000000001");
  EXPECT_GT(state(Way::push).ok_at.us, 0);
  std::ifstream file(root_ / "calls");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line,
            "--config=c --stanza=main --log-level-console=off --log-level-stderr=warn archive-push "
            "pg_wal/000000010000000000000001");
}

TEST_F(Archive, a_failed_push_keeps_the_file_and_is_told) {
  repository(kFail);
  EXPECT_EQ(push(), kNotNow);
  const auto first = state(Way::push);
  EXPECT_EQ(first.failures, 1);
  EXPECT_EQ(first.error, "unable to open the repository");
  EXPECT_EQ(first.failed_file, "000000010000000000000001");
  EXPECT_GT(first.failing_since.us, 0);
  EXPECT_EQ(push(), kNotNow);
  EXPECT_EQ(push(), kNotNow);
  EXPECT_EQ(calls(), 3U);
  // Three in a row: from now on nobody waits for it. The archiver of a running server does not
  // wait.
  EXPECT_EQ(push(), kNotNow);
  EXPECT_EQ(calls(), 4U);
  stopping();
  EXPECT_EQ(push(), kGiveUp);
  EXPECT_EQ(calls(), 4U);
  EXPECT_EQ(state(Way::push).failing_since, first.failing_since);
}

TEST_F(Archive, a_hanging_push_ends_at_its_deadline_and_is_not_tried_at_shutdown) {
  repository(kHang);
  EXPECT_LT(measured([&] { EXPECT_EQ(push(), kNotNow); }), seconds(3));
  EXPECT_EQ(state(Way::push).error, "it did not end in time");
  stopping();
  EXPECT_EQ(push(), kGiveUp);
  EXPECT_EQ(calls(), 1U);
}

TEST_F(Archive, one_that_ignores_sigterm_is_killed) {
  repository("trap '' TERM\nwhile :; do sleep 0.05; done");
  EXPECT_LT(measured([&] { EXPECT_EQ(push(), kNotNow); }), seconds(3));
}

TEST_F(Archive, a_program_that_is_not_there_is_a_failure_and_no_answer) {
  fs::remove(root_ / "pgbackrest");
  EXPECT_EQ(push(), kNotNow);
  EXPECT_EQ(state(Way::push).error, "cannot be run");
  touch("recovery.signal");
  EXPECT_EQ(get(), kGiveUp);
}

TEST_F(Archive, a_server_that_stops_waits_for_no_dead_repository) {
  repository(kHang);
  auto patient = call(Way::push);
  patient.timeout = seconds(20);
  std::thread stop([&] {
    while (calls() == 0) std::this_thread::yield();
    stopping();
  });
  int code = 0;
  EXPECT_LT(measured([&] { code = run_archive(patient); }), seconds(5));
  stop.join();
  EXPECT_EQ(code, kGiveUp) << "PostgreSQL would try it three times more";
  EXPECT_EQ(push(), kGiveUp);
  EXPECT_EQ(calls(), 1U) << "the breaker is open";
}

TEST_F(Archive, a_server_that_stops_archives_what_it_can) {
  stopping();
  EXPECT_EQ(push(), kDone);
}

TEST_F(Archive, a_standby_is_told_what_is_not_there_and_asks_again_after_a_second) {
  touch("standby.signal");
  repository("exit 1");
  EXPECT_EQ(get(), kNotThere);
  EXPECT_EQ(get(), kNotThere);
  EXPECT_EQ(calls(), 1U);
  EXPECT_EQ(state(Way::get).failures, 0) << "it answered";
  auto other = call(Way::get);
  other.file = "00000002.history";
  EXPECT_EQ(run_archive(other), kNotThere);
  EXPECT_EQ(calls(), 2U);
}

TEST_F(Archive, a_standby_streams_on_while_the_repository_is_dead) {
  touch("standby.signal");
  repository(kHang);
  EXPECT_EQ(get(), kNotNow);
  EXPECT_EQ(get(), kNotNow);
  EXPECT_EQ(calls(), 1U) << "it did not wait for the repository again";
}

TEST_F(Archive, a_promotion_waits_for_no_dead_repository) {
  touch("standby.signal");
  repository(kHang);
  auto patient = call(Way::get);
  patient.timeout = seconds(20);
  std::thread promote([&] {
    while (calls() == 0) std::this_thread::yield();
    touch("promote");
  });
  EXPECT_LT(measured([&] { EXPECT_EQ(run_archive(patient), kNotNow); }), seconds(5));
  promote.join();
  // The server has taken the request, and looks for histories.
  fs::remove(root_ / "data" / "promote");
  patient.file = "00000002.history";
  EXPECT_EQ(run_archive(patient), kNotNow);
  EXPECT_EQ(calls(), 1U);
}

// The file `promote` is gone by then, and nobody has asked the repository for long.
TEST_F(Archive, a_promotion_that_has_begun_waits_for_no_dead_repository) {
  touch("standby.signal");
  touch("postmaster.pid", "77\n/data\n1700000000\n");
  repository(kHang);
  auto patient = call(Way::get);
  patient.file = "00000002.history";
  patient.timeout = seconds(20);
  {
    const PromotionMark mark(root_ / "run", root_ / "data");
    EXPECT_LT(measured([&] { EXPECT_EQ(run_archive(patient), kNotNow); }), seconds(2));
    EXPECT_EQ(calls(), 1U);
    EXPECT_TRUE(promotion_is_marked(root_ / "run", root_ / "data"));
    touch("postmaster.pid", "77\n/data\n1700000001\n");
    EXPECT_FALSE(promotion_is_marked(root_ / "run", root_ / "data")) << "of a former server";
  }
  EXPECT_FALSE(fs::exists(root_ / "run" / "promotion"));
  fs::remove(root_ / "data" / "postmaster.pid");
  const PromotionMark of_nobody(root_ / "run", root_ / "data");
  EXPECT_FALSE(promotion_is_marked(root_ / "run", root_ / "data"));
}

// A standby that starts asks for a history first.
TEST_F(Archive, a_standby_finds_out_early_that_the_repository_hangs_and_gives_it_longer_each_time) {
  touch("standby.signal");
  repository(kHang);
  auto patient = call(Way::get);
  patient.timeout = seconds(3);
  patient.first_answer = milliseconds(400);
  const auto hung_after = [&](const std::string& file, int times) {
    std::ofstream(state_file(root_ / "run", Way::get))
        << model::to_json(to_value({.failures = times, .openings = times}));
    patient.file = file;
    return measured([&] { EXPECT_EQ(run_archive(patient), kNotNow); });
  };
  const std::string segment = "000000010000000000000001";
  EXPECT_LT(hung_after("00000002.history", 0), milliseconds(2900));
  EXPECT_LT(hung_after(segment, 1), milliseconds(2900));
  EXPECT_GE(hung_after("00000002.history", 2), milliseconds(1600));
  for (const int times : {0, 4})
    EXPECT_GE(hung_after(segment, times), seconds(3)) << "all that was configured";
}

TEST_F(Archive, a_recovery_to_a_point_never_takes_a_dead_repository_for_its_end) {
  touch("recovery.signal");
  repository(kFail);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get(), kGiveUp);
  EXPECT_EQ(calls(), 5U) << "nobody waits for it: it always asks";
  repository("exit 1");
  EXPECT_EQ(get(), kNotThere);
  repository("exit 0");
  EXPECT_EQ(get(), kDone);
  repository("kill -9 $$");
  EXPECT_EQ(get(), kGiveUp);
}

TEST_F(Archive, a_server_gets_nothing_from_behind_its_line_and_pg_rewind_does) {
  touch("standby.signal");
  fs::create_directory(root_ / "data" / "pg_wal");
  touch("pg_wal/00000002.history", "1\t0/100000\tno reason\n");
  repository("head -c 1048576 /dev/zero > " +
             (root_ / "data" / "pg_wal" / "000000010000000000000001").string());
  EXPECT_EQ(get(), kDone) << "nothing runs there: pg_rewind looks for where it was left";
  touch("postmaster.pid", "1\n");
  EXPECT_EQ(get(), kNotThere);
  EXPECT_FALSE(fs::exists(root_ / "data" / "pg_wal" / "000000010000000000000001"));
  EXPECT_EQ(state(Way::get).failures, 0) << "the repository did answer";
  // A history that can not be read is no leave to take what it may forbid.
  touch("pg_wal/00000002.history", "nonsense");
  auto other = call(Way::get);
  other.file = "000000010000000000000002";
  EXPECT_EQ(run_archive(other), kNotNow);
  EXPECT_FALSE(fs::exists(root_ / "data" / "pg_wal" / "000000010000000000000001"));
}

TEST_F(Archive, works_without_a_place_for_its_state) {
  fs::remove_all(root_ / "run");
  EXPECT_EQ(push(), kDone);
  repository(kFail);
  EXPECT_EQ(push(), kNotNow);
}

TEST_F(Archive, its_commands_are_read_as_they_are_written) {
  model::BackupConfig config;
  config.stanza = "main";
  config.work_dir = "/d a/it's 100%";
  config.program = "/opt/pgbackrest";
  const auto commands = archive_commands(config, "/usr/bin/aurum", "/run/aurum/x");
  EXPECT_EQ(commands.archive_command,
            "/usr/bin/aurum archive-push --config '/d a/it'\\''s 100%%/pgbackrest.conf' --stanza "
            "main --state-dir /run/aurum/x --timeout 60 --stop-timeout 3 --program "
            "/opt/pgbackrest \"%p\"");
  EXPECT_THAT(commands.restore_command, HasSubstr("/usr/bin/aurum archive-get --config '"));
  EXPECT_THAT(commands.restore_command, HasSubstr("--timeout 30 "));
  EXPECT_TRUE(commands.restore_command.ends_with(" %f \"%p\""));
}

TEST(ArchiveCommandLine, is_checked) {
  const auto parse = [](Way way, std::vector<std::string> words) {
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    return parse_archive_call(way, argv);
  };
  const auto good = parse(Way::get, {"--config", "c", "--stanza", "s", "--state-dir", "d",
                                     "--timeout", "5", "F", "pg_wal/RECOVERYXLOG"});
  ASSERT_TRUE(good) << good.error().text();
  EXPECT_EQ(good->file, "F");
  EXPECT_EQ(good->path, "pg_wal/RECOVERYXLOG");
  EXPECT_EQ(good->timeout, seconds(5));
  EXPECT_FALSE(parse(Way::push, {"--config", "c", "--stanza", "s", "p"}));
  EXPECT_FALSE(parse(Way::push, {"--config"}));
  EXPECT_FALSE(parse(Way::push, {"--config", "c", "--stanza", "s", "--state-dir", "d"}));
  EXPECT_FALSE(parse(
      Way::push, {"--config", "c", "--stanza", "s", "--state-dir", "d", "--timeout", "soon", "p"}));
  EXPECT_FALSE(parse(Way::push, {"--wrong", "c", "p"}));
}

}  // namespace
}  // namespace aurum::backup
