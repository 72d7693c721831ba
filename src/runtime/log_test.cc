// Scenario: records become lines as Patroni's users expect them, and a bad output harms nobody.
#include "runtime/log.h"

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "runtime/clock.h"
#include "runtime/log_format.h"
#include "runtime/log_output.h"

namespace aurum::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
namespace fs = std::filesystem;

struct LogDir : aurum::testing::TempDir {
  std::string read(const std::string& file) const {
    std::stringstream text;
    text << std::ifstream(*this / file).rdbuf();
    return text.str();
  }
};

std::string render(const LogSettings& settings, std::string_view text,
                   const Logger::Fields& fields = {}, Level level = Level::info) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  auto format = LineFormat::compile(settings);
  if (!format) return format.error().message;
  return format->render({WallTime{1'795'373'054'308'999}, level, "pg.promoted", text, fields});
}

TEST(log_format, default_line_is_patronis) {
  EXPECT_EQ(render({}, "no action. I am (a), the leader with the lock"),
            "2026-11-22 18:44:14,308 INFO: no action. I am (a), the leader with the lock");
}

TEST(log_format, fields_follow_the_text) {
  EXPECT_EQ(render({}, "clone failed", {{"source", "b"}, {"tries", "3"}}, Level::error),
            "2026-11-22 18:44:14,308 ERROR: clone failed source=b tries=3");
}

TEST(log_format, an_event_is_one_line) {
  EXPECT_EQ(render({.format = "%(message)s"}, "a\nb\x1b[0m", {{"k", "\r"}}), "a\\nb\\x1b[0m k=\\r");
}

TEST(log_format, python_attributes_flags_and_percent) {
  EXPECT_EQ(render({.format = "100%% [%(levelname)-8s|%(levelname)6s|%(msecs)05d|%(levelno)d] "
                              "%(name)s %(module)s"},
                   "x"),
            "100% [INFO    |  INFO|00308|20] pg.promoted pg");
  EXPECT_EQ(render({.format = "%(process)d"}, "x"), std::to_string(::getpid()));
  EXPECT_EQ(render({.format = "%(asctime)s %(message)s", .dateformat = "%H:%M"}, "x"), "18:44 x");
}

TEST(log_format, a_wrong_format_names_the_fault) {
  EXPECT_THAT(render({.format = "%(asctim)s"}, ""), HasSubstr("unknown field \"asctim\""));
  EXPECT_THAT(render({.format = "50% of"}, ""), HasSubstr("a % that begins no"));
  EXPECT_THAT(render({.format = "%(message)"}, ""), HasSubstr("no conversion letter"));
  EXPECT_THAT(render({.format = "%(message"}, ""), HasSubstr("a % that begins no"));
  EXPECT_THAT(render({.type = "xml"}, ""), HasSubstr("log.type is \"xml\""));
}

TEST(log_format, json_has_the_fields_the_event_and_static_fields) {
  LogSettings settings{.type = "json",
                       .static_fields = {{"app", "pg"}, {"source", "shadowed"}, {"message", "no"}}};
  EXPECT_EQ(
      render(settings, "say \"hi\"\n", {{"source", "b\\c"}, {"event", "mine"}}),
      R"({"asctime": "2026-11-22 18:44:14,308", "levelname": "INFO", "message": "say \"hi\"\n", )"
      R"("event": "pg.promoted", "source": "b\\c", "event_": "mine", "app": "pg"})");
}

TEST(log_format, json_names_can_be_given) {
  LogSettings settings{.type = "json",
                       .json_fields = {{"levelname", "severity"}, {"message", "message"}}};
  EXPECT_EQ(render(settings, "x"),
            R"({"severity": "INFO", "message": "x", "event": "pg.promoted"})");
}

TEST(log_format, json_is_valid_utf8_whatever_comes) {
  LogSettings settings{.type = "json", .json_fields = {{"message", "m"}}};
  EXPECT_THAT(render(settings, "g\xc3\xbcn\xff\xed\xa0\x80\x01"),
              HasSubstr("\"g\xc3\xbcn\\ufffd\\ufffd\\ufffd\\ufffd\\u0001\""));
}

TEST(logger, filters_by_level_and_writes_to_the_directory) {
  LogDir dir;
  {
    auto logger = make_logger({.level = "WARNING", .dir = dir.path()});
    ASSERT_TRUE(logger) << logger.error().text();
    (*logger)->info("a", "quiet");
    (*logger)->warn("a", "loud");
  }
  EXPECT_THAT(dir.read("patroni.log"), MatchesRegex("....-..-.. ..:..:..,... WARNING: loud\n"));
}

// A process that ends by _exit loses what is still queued; its last lines are the reason why.
TEST(logger, everything_is_written_after_draining) {
  LogDir dir;
  LogSettings settings;
  settings.dir = dir.path();
  auto logger = make_logger(settings);
  ASSERT_TRUE(logger);
  for (int i = 0; i < 500; ++i) (*logger)->info("x", "line");
  (*logger)->info("x", "the last one");
  (*logger)->drain(seconds(10));
  EXPECT_THAT(dir.read("patroni.log"), HasSubstr("the last one\n"));
}

TEST(logger, rotates_by_size_and_keeps_only_the_backups) {
  LogDir dir;
  {
    auto logger =
        make_logger({.format = "%(message)s", .dir = dir.path(), .file_size = 10, .file_num = 2});
    ASSERT_TRUE(logger);
    for (int i = 1; i <= 8; ++i) (*logger)->info("a", "line" + std::to_string(i));
  }
  EXPECT_EQ(dir.read("patroni.log"), "line8\n");
  EXPECT_EQ(dir.read("patroni.log.1"), "line7\n");
  EXPECT_EQ(dir.read("patroni.log.2"), "line6\n");
  EXPECT_FALSE(fs::exists(dir / "patroni.log.3"));
}

TEST(logger, a_second_run_appends) {
  LogDir dir;
  for (int run = 0; run < 2; ++run) {
    auto logger = make_logger({.format = "%(message)s", .dir = dir.path()});
    ASSERT_TRUE(logger);
    (*logger)->info("a", "run");
  }
  EXPECT_EQ(dir.read("patroni.log"), "run\nrun\n");
}

TEST(logger, wrong_settings_are_errors) {
  auto level = make_logger({.level = "LOUD"});
  ASSERT_FALSE(level);
  EXPECT_EQ(level.error().code, Code::invalid);
  auto dir = make_logger({.dir = "/does/not/exist"});
  ASSERT_FALSE(dir);
  EXPECT_EQ(dir.error().code, Code::io);
  EXPECT_THAT(dir.error().text(), HasSubstr("/does/not/exist/patroni.log"));
}

TEST(logger, is_used_by_many_threads_at_once) {
  LogDir dir;
  {
    auto logger =
        make_logger({.format = "%(message)s", .dir = dir.path(), .max_queue_size = 100'000});
    ASSERT_TRUE(logger);
    std::array<std::jthread, 4> threads;
    for (auto& thread : threads)
      thread = std::jthread([&] {
        for (int i = 0; i < 200; ++i) (*logger)->info("a", "line");
      });
  }
  EXPECT_EQ(dir.read("patroni.log").size(), 4 * 200 * 5);
}

TEST(log_output, a_closed_pipe_loses_lines_only) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ::close(ends[0]);
  ::signal(SIGPIPE, SIG_IGN);
  LogOutput output(ends[1]);
  EXPECT_TRUE(output.ready(0));
  EXPECT_FALSE(output.write("x\n"));
  ::close(ends[1]);
}

TEST(log_output, a_full_disk_loses_lines_only) {
  auto output = LogOutput::file("/dev/full", 0, 0, 0);
  ASSERT_TRUE(output);
  EXPECT_FALSE(output->write("x\n"));
}

// Scenario: nobody reads our standard output. log() must not wait, later lines tell how many are
// missing, and a reader that went away (SIGPIPE) does not end the process.
TEST(logger, a_hung_reader_holds_nobody_up) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  std::fflush(stdout);
  int saved = ::dup(STDOUT_FILENO);
  ::dup2(ends[1], STDOUT_FILENO);
  ::close(ends[1]);
  ::signal(SIGPIPE, SIG_DFL);
  std::string seen;
  {
    auto logger = make_logger({.format = "%(message)s", .max_queue_size = 10});
    auto before = now();
    for (int i = 0; i < 1000; ++i) (*logger)->info("a", std::string(1000, 'x'));
    EXPECT_LT(now() - before, seconds(2));
    std::array<char, 65536> buffer{};
    for (int i = 0; i < 1000 && !seen.contains("lines were lost"); ++i) {
      (*logger)->info("a", "y");
      ssize_t n = ::read(ends[0], buffer.data(), buffer.size());
      if (n > 0) seen.append(buffer.data(), static_cast<std::size_t>(n));
    }
    ::close(ends[0]);
    for (int i = 0; i < 20; ++i) (*logger)->info("a", "into the void");
  }
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  EXPECT_THAT(seen, HasSubstr("lines were lost"));
}

}  // namespace
}  // namespace aurum::runtime
