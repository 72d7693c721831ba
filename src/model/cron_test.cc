// Scenario: cron expressions are understood, each mistake has one clear line, and what is due comes
// once, also on the days on which clocks are changed.
#include "model/cron.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/cluster.h"

namespace aurum::model {
namespace {

using ::testing::HasSubstr;

std::int64_t at(const std::string& utc) {
  const auto time = parse_iso8601(utc + ":00+00:00");
  EXPECT_TRUE(time) << utc;
  return time ? time->us / 1'000'000 : 0;
}
std::string text(std::optional<std::int64_t> seconds) {
  return seconds ? iso8601(WallTime{*seconds * 1'000'000}).substr(0, 16) : "never";
}
TimeZone zone(const std::string& name) {
  auto loaded = load_time_zone(name);
  EXPECT_TRUE(loaded) << name;
  return loaded ? *loaded : TimeZone();
}
Cron cron(const std::string& expression) {
  auto parsed = Cron::parse(expression);
  EXPECT_TRUE(parsed) << expression << ": " << (parsed ? "" : parsed.error().text());
  return parsed ? *parsed : *Cron::parse("0 0 * * *");
}

struct Case {
  const char *cron, *zone, *moment, *expected;
};

TEST(Cron, comes_next) {
  for (const auto& c : {
           // minutes, hours, lists, ranges, steps
           Case{"* * * * *", "UTC", "2026-11-23T10:30", "2026-11-23T10:31"},
           Case{"0 * * * *", "UTC", "2026-11-23T10:30", "2026-11-23T11:00"},
           Case{"0 * * * *", "UTC", "2026-11-23T11:00", "2026-11-23T12:00"},
           Case{"0 2 * * *", "UTC", "2026-12-31T02:00", "2027-01-01T02:00"},
           Case{"*/20 * * * *", "UTC", "2026-11-23T10:41", "2026-11-23T11:00"},
           Case{"5-59/10 * * * *", "UTC", "2026-11-23T10:16", "2026-11-23T10:25"},
           Case{"0 1,13 * * *", "UTC", "2026-11-23T10:30", "2026-11-23T13:00"},
           Case{"15,45 8-10 * * *", "UTC", "2026-11-23T10:45", "2026-11-24T08:15"},
           Case{"@hourly", "UTC", "2026-11-23T10:30", "2026-11-23T11:00"},
           Case{"@weekly", "UTC", "2026-11-23T10:30", "2026-11-29T00:00"},
           // days: 2026-11-23 is a Monday
           Case{"0 2 * * 0", "UTC", "2026-11-23T10:30", "2026-11-29T02:00"},
           Case{"0 2 * * 7", "UTC", "2026-11-23T10:30", "2026-11-29T02:00"},
           Case{"0 2 * * sun", "UTC", "2026-11-23T10:30", "2026-11-29T02:00"},
           Case{"0 2 * * Mon-FRI", "UTC", "2026-11-27T02:00", "2026-11-30T02:00"},
           Case{"0 0 31 * *", "UTC", "2026-11-23T10:30", "2026-12-31T00:00"},
           Case{"0 0 1 feb *", "UTC", "2026-11-23T10:30", "2027-02-01T00:00"},
           Case{"0 0 29 2 *", "UTC", "2026-11-23T10:30", "2028-02-29T00:00"},
           Case{"0 0 29 2 *", "UTC", "2096-02-29T00:00", "2104-02-29T00:00"},
           // one of two restricted days is enough; with "*" both must fit
           Case{"0 0 25 * fri", "UTC", "2026-11-23T10:30", "2026-11-25T00:00"},
           Case{"0 0 25 * fri", "UTC", "2026-11-25T10:30", "2026-11-27T00:00"},
           Case{"0 0 */2 * fri", "UTC", "2026-11-23T10:30", "2026-11-27T00:00"},
           // a place
           Case{"0 2 * * *", "Europe/Berlin", "2026-11-23T00:30", "2026-11-23T01:00"},
           Case{"0 2 * * 0", "America/New_York", "2026-11-23T00:30", "2026-11-29T07:00"},
           Case{"30 4 * * *", "Asia/Kolkata", "2026-11-23T00:30", "2026-11-23T23:00"},
           // forward, Berlin 2026-03-29 at 01:00 UTC: 02:00 to 03:00 are left out
           Case{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00"},
           Case{"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00", "2026-03-30T00:30"},
           Case{"*/15 2 * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T01:00"},
           Case{"*/15 2 * * *", "Europe/Berlin", "2026-03-29T01:00", "2026-03-30T00:00"},
           Case{"30 * * * *", "Europe/Berlin", "2026-03-29T00:30", "2026-03-29T01:30"},
           // back, Berlin 2026-10-25 at 01:00 UTC: 02:00 to 03:00 come twice
           Case{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"},
           Case{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"},
           Case{"30 * * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:30"},
           Case{"30 * * * *", "Europe/Berlin", "2026-10-25T01:30", "2026-10-25T02:30"},
           Case{"30 2,3 * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T02:30"},
           // behind the table of the file: its last rule
           Case{"0 2 * * *", "Europe/Berlin", "2060-07-01T12:00", "2060-07-02T00:00"},
           Case{"0 2 * * *", "Europe/Berlin", "2060-01-01T12:00", "2060-01-02T01:00"},
           Case{"0 2 * * *", "Australia/Sydney", "2060-01-01T12:00", "2060-01-01T15:00"},
           // midnight itself is left out: Cairo, 2026-04-24 at 22:00 UTC of the day before
           Case{"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", "2026-04-23T22:00"},
           // set back at midnight: Cairo, 2026-10-29 at 21:00 UTC, to 23:00
           Case{"30 23 * * *", "Africa/Cairo", "2026-10-29T20:30", "2026-10-30T21:30"},
           Case{"30 * * * *", "Africa/Cairo", "2026-10-29T20:30", "2026-10-29T21:30"},
       }) {
    EXPECT_EQ(text(cron(c.cron).next(at(c.moment), zone(c.zone))), c.expected)
        << c.cron << " " << c.zone << " after " << c.moment;
  }
}

TEST(Cron, came_last) {
  for (const auto& c : {
           Case{"0 * * * *", "UTC", "2026-11-23T10:30", "2026-11-23T10:00"},
           Case{"0 * * * *", "UTC", "2026-11-23T10:00", "2026-11-23T10:00"},
           Case{"0 2 * * 0", "UTC", "2026-11-23T10:30", "2026-11-22T02:00"},
           Case{"0 0 29 2 *", "UTC", "2026-11-23T10:30", "2024-02-29T00:00"},
           Case{"30 2 * * *", "Europe/Berlin", "2026-03-29T00:59", "2026-03-28T01:30"},
           Case{"30 2 * * *", "Europe/Berlin", "2026-03-29T12:00", "2026-03-29T01:00"},
           Case{"30 2 * * *", "Europe/Berlin", "2026-10-25T12:00", "2026-10-25T00:30"},
           Case{"30 * * * *", "Europe/Berlin", "2026-10-25T01:40", "2026-10-25T01:30"},
       }) {
    EXPECT_EQ(text(cron(c.cron).last(at(c.moment), zone(c.zone))), c.expected)
        << c.cron << " " << c.zone << " until " << c.moment;
  }
}

// Every moment that comes next was the last one when it came, over two years with four changes.
TEST(Cron, next_and_last_agree) {
  for (const char* place : {"UTC", "Europe/Berlin", "Africa/Cairo", "America/Sao_Paulo"}) {
    for (const char* expression : {"30 2 * * *", "0 */6 * * *", "15 * * * *", "0 0 1 * *"}) {
      const auto here = zone(place);
      const auto each = cron(expression);
      std::int64_t now = at("2025-12-01T00:00");
      for (int i = 0; i < 300; ++i) {
        const auto next = each.next(now, here);
        ASSERT_TRUE(next);
        ASSERT_GT(*next, now);
        EXPECT_EQ(each.last(*next, here), next) << expression << " " << place << text(next);
        EXPECT_EQ(each.last(*next - 1, here).value_or(0) <= now, true)
            << expression << " " << place << " " << text(next);
        now = *next;
      }
    }
  }
}

TEST(Cron, mistakes_have_one_clear_line) {
  struct Bad {
    const char *cron, *line;
  };
  for (const auto& c :
       {Bad{"", "is no cron expression (hint: Write five fields"},
        Bad{"0 2 * *", "is no cron expression"}, Bad{"0 2 * * * *", "is no cron expression"},
        Bad{"@often", "is no cron expression"},
        Bad{"60 * * * *", "minute \"60\" is not understood (hint: It goes from 0 to 59"},
        Bad{"0 24 * * *", "hour \"24\" is not understood"},
        Bad{"0 0 0 * *", "day of the month \"0\" is not understood"},
        Bad{"0 0 * 13 *", "month \"13\" is not understood"},
        Bad{"0 0 * * 8", "day of the week \"8\" is not understood"},
        Bad{"0 0 * * moon", "day of the week \"moon\" is not understood"},
        Bad{"0 0 * * mon,", "day of the week \"\" is not understood"},
        Bad{"5-1 * * * *", "minute \"5-1\" ends before it begins"},
        Bad{"5/10 * * * *", "minute \"5/10\" has a step without a range"},
        Bad{"*/0 * * * *", "minute \"*/0\" has no such step"},
        Bad{"*/x * * * *", "minute \"*/x\" has no such step"},
        Bad{"1.5 * * * *", "is not understood"}, Bad{"-1 * * * *", "is not understood"},
        Bad{"0 0 30 2 *", "\"0 0 30 2 *\" never comes"}, Bad{"0 0 31 4,6 *", "never comes"}}) {
    const auto parsed = Cron::parse(c.cron);
    ASSERT_FALSE(parsed) << c.cron;
    EXPECT_THAT(parsed.error().text(), HasSubstr(c.line)) << c.cron;
  }
  EXPECT_TRUE(Cron::parse("0 0 31 2 mon")) << "a Monday will do";
}

TEST(TimeZone, is_read_from_the_database_or_refused) {
  EXPECT_EQ(zone("Europe/Berlin").offset_at(at("2026-07-01T00:00")), 7200);
  EXPECT_EQ(zone("Europe/Berlin").offset_at(at("2026-12-01T00:00")), 3600);
  EXPECT_EQ(zone("Asia/Kolkata").offset_at(at("2026-12-01T00:00")), 19800);
  EXPECT_EQ(TimeZone().offset_at(at("2026-12-01T00:00")), 0);
  for (const char* name : {"Europe/Atlantis", "/etc/passwd", "../../../etc/passwd", "", "Europe"}) {
    const auto loaded = load_time_zone(name);
    ASSERT_FALSE(loaded) << name;
    EXPECT_THAT(loaded.error().text(), HasSubstr("is no time zone")) << name;
  }
}

TEST(TimeZone, a_damaged_file_is_refused_and_read_within_its_bounds) {
  std::string file("TZif2", 5);
  file.resize(44, '\0');
  EXPECT_FALSE(TimeZone::parse("", "x"));
  EXPECT_FALSE(TimeZone::parse(file, "x")) << "no types";
  for (const std::size_t at : {23U, 27U, 31U, 35U, 39U, 43U}) {
    std::string odd = file + file;
    odd[39] = odd[44 + 39] = 1;
    odd[at] = '\x7f';
    odd[44 + at] = '\x7f';
    EXPECT_FALSE(TimeZone::parse(odd, "x")) << at;
  }
}

}  // namespace
}  // namespace aurum::model
