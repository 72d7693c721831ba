#include "stack/bench_report.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::stack {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RunRecord run(const std::string& agent, const std::string& event, int repetition, double outage) {
  return {.repetition = repetition,
          .agent = agent,
          .event = event,
          .outage_s = outage,
          .detect_s = outage / 2,
          .acquire_s = outage / 2,
          .promote_s = outage,
          .first_write_s = outage,
          .rows = 12'345,
          .refused = 3,
          .unknown = 4};
}

BenchRecord bench() {
  BenchRecord record;
  record.command =
      "aurum bench failover --agent aurum@default --agent /usr/bin/patroni@default -n 3";
  record.began = "2026-01-02T03:04:05+00:00";
  record.clients = 4;
  record.rate = 200;
  record.failsafe = true;
  record.heal_after_s = 60;
  record.postgres = "15.20 (Debian 15.20-0+deb12u1)";
  record.etcd = "3.5.30";
  record.load_begin = 0.5;
  record.load_end = 12.25;
  record.agents = {{.agent = "aurum@default", .version = "aurum 0.1.0", .ttl_s = 30},
                   {.agent = "/usr/bin/patroni@default", .version = "patroni 3.0.2", .ttl_s = 30}};
  for (const char* event : {"etcd-leader-kill", "agent-stop"}) {
    for (int n = 1; n <= 3; ++n) {
      record.runs.push_back(run("aurum@default", event, n, n));
      record.runs.push_back(run("/usr/bin/patroni@default", event, n, 100.25 + n));
    }
  }
  record.runs.back().lost = 1234567;
  record.runs.back().second_writer = 12;
  record.runs.back().past = 11'999;
  record.runs.back().note = "no other leader in 45 s";
  return record;
}

TEST(BenchReport, fits_eighty_columns_however_large_the_numbers_are) {
  std::istringstream lines(report_text(bench()));
  for (std::string line; std::getline(lines, line);) EXPECT_LT(line.size(), 80U) << line;
}

TEST(BenchReport, puts_agents_below_each_other_with_lowest_median_and_highest) {
  const auto text = report_text(bench());
  EXPECT_THAT(text, HasSubstr("agent-stop\n"
                              "  aurum@default      3   1.00   2.00   3.00    1.00     1.00"
                              "     2.00    2.00\n"
                              "  patroni@default    3 101.25 102.25 103.25   51.12    51.12"
                              "   102.25  102.25\n"));
  EXPECT_THAT(text, HasSubstr("  patroni@default    3    37035        9       12"
                              " 1234567      12   11999\n"));
  EXPECT_THAT(text,
              HasSubstr("3 repetitions, 4 clients, 200 rows/s, asynchronous, failsafe mode,"));
  EXPECT_THAT(text, HasSubstr("note: patroni@default, agent-stop, repetition 3: no other leader"));
}

TEST(BenchReport, as_markdown_puts_agents_beside_each_other) {
  const auto text = report_markdown(bench());
  EXPECT_THAT(text, HasSubstr("| event | aurum@default | patroni@default |\n"
                              "|---|---|---|\n"
                              "| etcd's leader killed | 1.00 / 2.00 / 3.00 |"
                              " 101.25 / 102.25 / 103.25 |\n"
                              "| agent stopped for 60 s | 1.00 / 2.00 / 3.00 |"));
  EXPECT_THAT(text, HasSubstr("| agent stopped for 60 s | patroni@default | 37,035 | 1,234,567 |"
                              " 12 | 11,999 | 9 | 12 |\n"));
  for (const char* piece : {"load 0.50 at the beginning and 12.25 at the end", "3 repetitions",
                            "PostgreSQL 15.20,", "etcd 3.5.30", "aurum 0.1.0", "patroni 3.0.2"})
    EXPECT_THAT(text, HasSubstr(piece));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120U) << line;
}

TEST(BenchReport, an_event_that_one_agent_has_not_had_is_a_dash) {
  auto record = bench();
  std::erase_if(record.runs, [](const RunRecord& r) {
    return r.event == "agent-stop" && r.agent == "aurum@default";
  });
  EXPECT_THAT(report_markdown(record), HasSubstr("| agent stopped for 60 s | - | 101.25 "));
}

std::string lines_of(const BenchRecord& record, bool ended) {
  std::string text = begin_line(record);
  for (const auto& agent : record.agents) text += agent_line(agent);
  for (const auto& one : record.runs) text += run_line(one);
  return ended ? text + end_line(record) : text;
}

TEST(BenchLines, say_the_same_as_the_bench_itself) {
  auto record = bench();
  record.agents[1].lost = 1234567;
  record.runs[0].detect_s = std::nullopt;
  const auto read = from_lines(lines_of(record, true));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(report_text(*read), report_text(record));
  EXPECT_EQ(report_markdown(*read), report_markdown(record));
  EXPECT_EQ(to_json(*read), to_json(record));
}

TEST(BenchLines, of_a_bench_that_was_killed_keep_every_run_that_was_done) {
  const auto record = bench();
  auto text = lines_of(record, false);
  const auto whole = from_lines(text);
  ASSERT_TRUE(whole) << whole.error().text();
  EXPECT_TRUE(whole->cut_short);
  EXPECT_EQ(whole->runs.size(), record.runs.size());
  EXPECT_EQ(whole->agents.at(1).lost, 1234567U) << "totals are of the runs";
  EXPECT_THAT(report_text(*whole), HasSubstr("3 repetitions (cut short)"));

  text.resize(text.size() - 20);  // in the middle of a line
  const auto torn = from_lines(text);
  ASSERT_TRUE(torn) << torn.error().text();
  EXPECT_EQ(torn->runs.size(), record.runs.size() - 1);
  EXPECT_THAT(report_text(*torn), HasSubstr("2 to 3 repetitions (cut short)"));
}

TEST(BenchLines, of_two_benches_alike_are_more_repetitions_and_of_different_ones_an_error) {
  auto record = bench();
  const auto twice = from_lines(lines_of(record, true) + lines_of(record, true));
  ASSERT_TRUE(twice) << twice.error().text();
  EXPECT_EQ(twice->agents.size(), 2U);
  EXPECT_THAT(report_text(*twice), HasSubstr("6 repetitions,"));
  EXPECT_EQ(twice->runs.back().repetition, 6);
  auto other = record;
  other.sync = true;
  const auto mixed = from_lines(lines_of(record, true) + lines_of(other, true));
  ASSERT_FALSE(mixed);
  EXPECT_THAT(mixed.error().message, HasSubstr("different settings"));
}

TEST(BenchLines, of_another_kind_are_refused) {
  EXPECT_FALSE(from_lines(""));
  EXPECT_FALSE(from_lines("hello\n"));
  EXPECT_FALSE(from_lines("{\"line\":\"run\"}\n"));
  EXPECT_FALSE(from_lines("[1]\n"));
  EXPECT_FALSE(from_lines("{\"line\":1}\n"));
}

}  // namespace
}  // namespace aurum::stack
