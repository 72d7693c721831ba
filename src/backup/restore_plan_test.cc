// Which backup leads to a target, over forks of the timeline. One cluster of three timelines:
//
//   timeline 1  F at 100, I at 200 | fork to 2 at 0/5000000
//   timeline 1  X at 250, behind the fork: WAL that nobody goes on with
//   timeline 2  D at 300           | fork to 3 at 0/8000000
//   timeline 3  J at 400, written up to 0/A000000 at 500
#include "backup/restore_plan.h"

#include <gmock/gmock.h>

#include "backup/testing/recorded.h"

namespace aurum::backup {
namespace {

using Kind = model::RecoveryTarget::Kind;
using ::testing::HasSubstr;

model::Lsn lsn(std::string_view text) { return model::parse_lsn(text).value(); }

Backup backup(std::string label, std::int64_t stop, std::string wal, std::string_view end) {
  Backup out{.label = std::move(label), .type = "full", .start = stop - 10, .stop = stop};
  out.wal_start = out.wal_stop = std::move(wal);
  out.lsn_stop = lsn(end);
  out.system_identifier = "7";
  out.size = 1'000'000;
  return out;
}

Catalogue catalogue() {
  Catalogue out{.status = kStanzaOk};
  out.backups = {backup("F", 100, "000000010000000000000002", "0/2000100"),
                 backup("I", 200, "000000010000000000000004", "0/4000100"),
                 backup("X", 250, "000000010000000000000006", "0/6000100"),
                 backup("D", 300, "000000020000000000000006", "0/6000200"),
                 backup("J", 400, "000000030000000000000009", "0/9000100")};
  out.databases = {{"15", "7"}};
  return out;
}

model::HistoryEntry fork(model::Timeline timeline, std::string_view at, std::string reason,
                         std::int64_t when) {
  return {timeline, lsn(at), std::move(reason), model::iso8601({when * 1'000'000}), "n1"};
}

PlanRequest request(Kind kind, std::string value) {
  PlanRequest out;
  out.target = {kind, std::move(value)};
  out.line = {3,
              {fork(1, "0/5000000", "no recovery target specified", 220),
               fork(2, "0/8000000", "no recovery target specified", 350)}};
  out.system_identifier = "7";
  out.current = lsn("0/A000000");
  out.now = {500'000'000};
  return out;
}

std::string time(std::int64_t seconds, int ms = 0) {
  return model::iso8601({seconds * 1'000'000 + ms * 1000});
}

struct Case {
  Kind kind;
  std::string value;
  std::string backup;  ///< label, or what the error says
};

TEST(RestorePlan, takes_the_newest_backup_before_the_target_that_its_line_contains) {
  const Case cases[] = {
      {Kind::latest, "", "J"},           {Kind::time, time(401), "J"},
      {Kind::time, time(400, 999), "D"},  // its end is told in whole seconds only
      {Kind::time, time(399), "D"},      {Kind::time, time(301), "D"},
      {Kind::time, time(260), "I"},  // X is nearer, on WAL that was left behind
      {Kind::time, time(201), "I"},      {Kind::time, time(200), "F"},
      {Kind::time, time(101), "F"},      {Kind::time, time(499), "J"},
      {Kind::lsn, "0/9000100", "J"},     {Kind::lsn, "0/9000000", "D"},
      {Kind::lsn, "0/6000200", "D"},     {Kind::lsn, "0/61FFFFF", "D"},
      {Kind::lsn, "0/6000100", "I"},     {Kind::lsn, "0/2000100", "F"},
      {Kind::lsn, "0/A000000", "J"},     {Kind::xid, "731", "J"},
      {Kind::name, "before_drop", "J"},
  };
  for (const auto& c : cases) {
    const auto plan = plan_restore(catalogue(), request(c.kind, c.value));
    ASSERT_TRUE(plan) << c.value << ": " << plan.error().text();
    EXPECT_EQ(plan->backup.label, c.backup) << model::to_string(c.kind) << " " << c.value;
    EXPECT_EQ(plan->timeline, 3u);
  }
}

TEST(RestorePlan, refuses_what_can_not_be_reached_and_names_what_can) {
  const Case cases[] = {
      {Kind::time, time(100),
       "is before the end of the oldest backup: reachable is 1970-01-01 "
       "00:01:41 UTC to now"},
      {Kind::time, time(501), "is in the future: reachable is 1970-01-01 00:01:41 UTC to now"},
      {Kind::lsn, "0/2000000", "is before the end of the oldest backup"},
      {Kind::lsn, "0/A000001", "LSN 0/A000001 is not written yet"},
      {Kind::lsn, "rubbish", "--lsn rubbish"},
      {Kind::time, "yesterday", "--time yesterday"},
      {Kind::xid, "12x", "is no transaction number"},
      {Kind::xid, "2", "is no transaction number"},
      {Kind::name, "", "1 to 63 bytes"},
  };
  for (const auto& c : cases) {
    const auto plan = plan_restore(catalogue(), request(c.kind, c.value));
    ASSERT_FALSE(plan) << c.value << ": " << plan->backup.label;
    EXPECT_THAT(plan.error().text(), HasSubstr(c.backup)) << c.value;
  }
}

TEST(RestorePlan, goes_along_an_older_timeline_when_it_is_named) {
  auto wanted = request(Kind::time, time(260));
  const auto first = line_of(wanted.line, 1);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->history.empty());
  const auto second = line_of(wanted.line, 2);
  ASSERT_TRUE(second);
  ASSERT_EQ(second->history.size(), 1u);
  EXPECT_FALSE(line_of(wanted.line, 7));
  wanted.line = *first;
  wanted.current.reset();
  const auto plan = plan_restore(catalogue(), wanted);
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(plan->backup.label, "X");
  EXPECT_EQ(plan->timeline, 1u);
  EXPECT_EQ(plan->to, "the end of the WAL");
}

TEST(RestorePlan, takes_the_named_backup_or_says_why_not) {
  auto wanted = request(Kind::xid, "731");
  wanted.backup = "F";
  EXPECT_EQ(plan_restore(catalogue(), wanted)->backup.label, "F");
  wanted.backup = "X";  // of WAL that was left behind
  EXPECT_THAT(plan_restore(catalogue(), wanted).error().message, HasSubstr("no usable backup X"));
  wanted = request(Kind::time, time(250));
  wanted.backup = "D";
  EXPECT_THAT(plan_restore(catalogue(), wanted).error().message,
              HasSubstr("is before the end of that backup"));
}

TEST(RestorePlan, never_takes_another_clusters_or_a_damaged_backup) {
  auto wanted = request(Kind::latest, "");
  wanted.system_identifier = "8";
  EXPECT_THAT(plan_restore(catalogue(), wanted).error().message,
              HasSubstr("none of the 5 backups belongs to timeline 3 of this cluster"));
  auto damaged = catalogue();
  damaged.backups.back().error = true;
  EXPECT_EQ(plan_restore(damaged, request(Kind::latest, ""))->backup.label, "D");
  EXPECT_THAT(
      plan_restore(Catalogue{.status = kStanzaOk}, request(Kind::latest, "")).error().message,
      HasSubstr("there is no backup"));
  EXPECT_EQ(plan_restore(Catalogue{.status = 99, .message = "repo gone"}, request(Kind::latest, ""))
                .error()
                .code,
            Code::unavailable);
}

TEST(RestorePlan, says_which_rows_are_lost) {
  EXPECT_EQ(plan_restore(catalogue(), request(Kind::time, time(440)))->lost_span,
            Duration(seconds(60)));
  EXPECT_EQ(plan_restore(catalogue(), request(Kind::lsn, "0/9800000"))->lost_bytes, 0x800000u);
  const auto text = render_plan(*plan_restore(catalogue(), request(Kind::time, time(440))));
  EXPECT_THAT(text, HasSubstr("lost       what was committed in the last 60 s"));
  for (std::size_t at = 0, end; at < text.size(); at = end + 1) {
    end = text.find('\n', at);
    EXPECT_LE(end - at, 80u) << text.substr(at, end - at);
  }
  EXPECT_EQ(span_text(seconds(4321)), "72 min 1 s");
  EXPECT_EQ(span_text(seconds(12345)), "3 h 25 min");
}

TEST(RestorePlan, warns_of_a_time_that_an_earlier_restore_took_back) {
  auto wanted = request(Kind::time, time(340));
  EXPECT_TRUE(plan_restore(catalogue(), wanted)->warnings.empty());
  wanted.line.history[1].reason = "before 1970-01-01 00:05:10+00";
  const auto plan = plan_restore(catalogue(), wanted);
  ASSERT_EQ(plan->warnings.size(), 1u);
  EXPECT_THAT(plan->warnings[0], HasSubstr("add --timeline 2"));
}

TEST(RestorePlan, reads_positions_and_owners_of_recorded_backups) {
  const auto recorded = parse_catalogue(testing::kThreeBackups, "main");
  ASSERT_TRUE(recorded);
  EXPECT_EQ(recorded->backups[1].lsn_stop, lsn("0/4000050"));
  EXPECT_EQ(recorded->backups[1].system_identifier, "7711179185693344446");
}

}  // namespace
}  // namespace aurum::backup
