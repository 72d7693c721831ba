// Scenario: once in its time a good restore test is made, by a replica that would not lead next;
// what fails is tried elsewhere, and no test goes round for ever, whatever became of its node.
#include "backup/trial_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86'400;

std::int64_t at(const std::string& utc) {
  return model::parse_iso8601(utc + ":00+00:00").value().us / 1'000'000;
}
/// Sundays at 5; 2026-11-22 is one.
model::BackupSchedule weekly() {
  model::BackupSchedule out;
  out.restore_test = *model::Cron::parse("0 5 * * 0");
  return out;
}
const std::int64_t kTime = at("2026-11-22T05:00");

ClusterBackups backed_up(const std::string& when = "2026-11-22T02:00") {
  ClusterBackups out{.system_identifier = "7", .version = "15"};
  out.add({.kind = RunKind::full, .node = "n1", .started = at(when), .ended = at(when) + 60});
  return out;
}
RestoreTrial trial(std::int64_t begun, bool ok) {
  RestoreTrial out{.at = model::iso8601({begun * 1'000'000}), .node = "n3", .ok = ok};
  if (!ok) out.error = "page checksums: bad";
  return out;
}
TrialTry failed(const std::string& node, std::int64_t started, bool cut_off = false) {
  return {.node = node, .started = started, .ended = started + kMinute, .cut_off = cut_off};
}
bool due(const TrialState& trials, std::int64_t now) {
  return trial_due(weekly(), "demo", backed_up(), trials, now).has_value();
}

TEST(TrialDue, comes_at_its_time_and_is_over_with_one_good_test) {
  TrialState trials;
  EXPECT_FALSE(trial_due({}, "demo", backed_up(), trials, kTime)) << "no schedule, no test";
  EXPECT_TRUE(due(trials, kTime));
  EXPECT_EQ(trial_due(weekly(), "demo", backed_up(), trials, kTime + kMinute), kTime);
  trials.add(trial(kTime + 5 * kMinute, true));
  EXPECT_FALSE(due(trials, kTime + 6 * kMinute));
  EXPECT_FALSE(due(trials, kTime + 6 * kDay));
  EXPECT_TRUE(due(trials, kTime + 7 * kDay));
}

TEST(TrialDue, one_by_hand_counts_when_it_was_good_only) {
  TrialState trials;
  trials.add(trial(kTime + kMinute, false));
  EXPECT_TRUE(due(trials, kTime + 2 * kMinute)) << "the schedule still wants its own";
  trials.add(trial(kTime + 2 * kMinute, true));
  EXPECT_FALSE(due(trials, kTime + 3 * kMinute));
}

TEST(TrialDue, proves_the_backups_of_its_time) {
  EXPECT_FALSE(trial_due(weekly(), "demo", {}, {}, kTime)) << "no backup";
  EXPECT_FALSE(trial_due(weekly(), "demo", backed_up("2026-11-22T06:00"), {}, kTime + 2 * kHour))
      << "a new cluster is not tested for a time before its first backup";
  EXPECT_TRUE(trial_due(weekly(), "demo", backed_up("2026-11-22T06:00"), {}, kTime + 7 * kDay));
  // It failed, and the only full was replaced by the next one meanwhile.
  TrialState trials;
  trials.add_failure(failed("n3", kTime + kMinute));
  EXPECT_TRUE(trial_due(weekly(), "demo", backed_up("2026-11-22T05:05"), trials, kTime + kHour));
  EXPECT_FALSE(trial_due(weekly(), "demo", {}, trials, kTime + kHour))
      << "the stanza was forgotten";
}

TEST(TrialDue, a_time_that_was_missed_is_made_up_for_unless_it_is_to_be_skipped) {
  EXPECT_TRUE(due({}, kTime + 2 * kDay));
  auto skip = weekly();
  skip.catch_up = false;
  EXPECT_TRUE(trial_due(skip, "demo", backed_up(), {}, kTime + 5 * kMinute));
  EXPECT_FALSE(trial_due(skip, "demo", backed_up(), {}, kTime + 2 * kDay));
}

// A test that brings its node down must not bring down one after the other.
TEST(TrialDue, what_failed_is_tried_twice_more_with_pauses_and_then_at_the_next_time) {
  TrialState trials;
  std::int64_t now = kTime + kMinute;
  for (const std::int64_t pause : {10 * kMinute, kHour}) {
    ASSERT_TRUE(due(trials, now));
    trials.add_failure(failed("n3", now, true));
    now += kMinute + pause;
    EXPECT_FALSE(due(trials, now - 1)) << pause;
    EXPECT_TRUE(due(trials, now)) << pause;
  }
  trials.add_failure(failed("n2", now));
  EXPECT_FALSE(due(trials, now + 2 * kHour));
  EXPECT_FALSE(due(trials, kTime + 7 * kDay - 1));
  EXPECT_TRUE(due(trials, kTime + 7 * kDay));
}

// Its node died: nobody wrote down how it ended.
TEST(TrialDue, one_that_was_lost_counts_as_a_failure_from_its_beginning) {
  TrialState trials;
  trials.running = TrialTry{.node = "n3", .started = kTime + kMinute};
  EXPECT_FALSE(due(trials, kTime + 10 * kMinute));
  EXPECT_TRUE(due(trials, kTime + 11 * kMinute));
  trials.add_failure(failed("n2", kTime));
  trials.add_failure(failed("n1", kTime));
  EXPECT_FALSE(due(trials, kTime + kDay));
}

// The clock was a year ahead once: what was done then must not stop the tests for a year.
TEST(TrialDue, a_stamp_from_the_future_counts_as_never) {
  TrialState trials;
  trials.add(trial(kTime + 365 * kDay, true));
  EXPECT_TRUE(due(trials, kTime + kMinute));
  trials.add_failure(failed("n3", kTime + 365 * kDay));
  EXPECT_TRUE(due(trials, kTime + kMinute)) << "no pause either";
  trials = {};
  trials.add(trial(kTime + kMinute, true));
  EXPECT_FALSE(due(trials, kTime + kMinute - 10)) << "a little ahead is another node's clock";
}

TEST(TrialLate, is_the_time_since_a_good_test_was_wanted) {
  const auto late = [](const TrialState& trials, std::int64_t now) {
    return trial_late_s(weekly(), "demo", backed_up(), trials, now);
  };
  TrialState trials;
  EXPECT_EQ(trial_late_s({}, "demo", backed_up(), trials, kTime + kHour), 0);
  EXPECT_EQ(trial_late_s(weekly(), "demo", {}, trials, kTime + kHour), 0);
  EXPECT_EQ(late(trials, kTime + kHour), kHour);
  for (const char* node : {"n3", "n2", "n1"}) trials.add_failure(failed(node, kTime + kMinute));
  EXPECT_EQ(late(trials, kTime + kDay), kDay) << "also when no more tries are made";
  trials.add(trial(kTime + kDay, true));
  EXPECT_EQ(late(trials, kTime + 2 * kDay), 0);
}

const std::vector<Source> kThree{
    {"n1", true, true, {100}}, {"n2", false, true, {90}}, {"n3", false, true, {80}}};

TEST(TrialOrder, begins_with_the_replica_that_would_lead_last) {
  EXPECT_THAT(trial_order("", kThree, {}, true, 0), ElementsAre("n3", "n2"));
  auto in_step = kThree;
  in_step[1].synchronous = true;
  in_step[1].position = {70};
  EXPECT_THAT(trial_order("", in_step, {}, true, 0), ElementsAre("n3", "n2"))
      << "commits wait for a synchronous one";
  auto away = kThree;
  away[2].able = false;
  EXPECT_THAT(trial_order("", away, {}, true, 0), ElementsAre("n2"));
}

TEST(TrialOrder, has_the_leader_only_when_it_is_alone) {
  auto no_replica = kThree;
  no_replica[1].able = no_replica[2].able = false;
  EXPECT_THAT(trial_order("", no_replica, {}, true, 10 * kHour), IsEmpty());
  const std::vector<Source> one{kThree[0]};
  EXPECT_THAT(trial_order("", one, {}, false, 0), ElementsAre("n1")) << "a cluster of one";
  EXPECT_THAT(trial_order("", one, {}, true, kAlone_s - 1), IsEmpty())
      << "the others may come back: no load on the last one now";
  EXPECT_THAT(trial_order("", one, {}, true, kAlone_s), ElementsAre("n1"));
  EXPECT_THAT(trial_order("n1", kThree, {}, true, 0), IsEmpty()) << "not by its name either";
  EXPECT_THAT(trial_order("n1", kThree, {}, true, kNamedGone_s), ElementsAre("n3", "n2"));
  EXPECT_THAT(trial_order("n9", one, {}, false, 0), ElementsAre("n1"));
}

TEST(TrialOrder, takes_the_named_one_and_others_when_it_does_nothing) {
  EXPECT_THAT(trial_order("n2", kThree, {}, true, 0), ElementsAre("n2"));
  EXPECT_THAT(trial_order("n2", kThree, {}, true, kNamedGone_s), ElementsAre("n2", "n3"));
  auto gone = kThree;
  gone[1].able = false;
  EXPECT_THAT(trial_order("n2", gone, {}, true, 0), IsEmpty());
  EXPECT_THAT(trial_order("n2", gone, {}, true, kNamedGone_s), ElementsAre("n3"));
}

TEST(TrialOrder, who_failed_last_is_the_last) {
  TrialState trials;
  trials.add_failure(failed("n3", kTime));
  EXPECT_THAT(trial_order("", kThree, trials, true, 0), ElementsAre("n2", "n3"));
  trials.running = TrialTry{.node = "n2", .started = kTime};
  EXPECT_THAT(trial_order("", kThree, trials, true, 0), ElementsAre("n3", "n2"));
}

TEST(TrialState, comes_back_from_the_store_and_nonsense_reads_as_nothing) {
  TrialState state;
  state.add(trial(kTime, true));
  state.add_failure({.node = "n2", .started = 5, .ended = 6, .error = "no \"room\""});
  state.running = TrialTry{.node = "n3", .started = 7};
  const auto again = decode_trial_state(encode(state));
  EXPECT_EQ(encode(again), encode(state));
  EXPECT_EQ(again.good_at, kTime);
  EXPECT_EQ(again.failed, state.failed);
  ASSERT_TRUE(again.last);
  EXPECT_TRUE(again.last->ok);
  // The result alone, as the first version kept it.
  EXPECT_TRUE(decode_trial_state(model::to_json(to_value(trial(kTime, true)))).last);
  for (const char* text : {"", "null", "[]", "{", R"({"at":7,"failed":{},"running":[]})",
                           R"({"at":"yesterday","failed":[7,null]})"}) {
    const auto none = decode_trial_state(text);
    EXPECT_FALSE(none.last) << text;
    EXPECT_FALSE(none.running) << text;
    EXPECT_TRUE(none.failed.empty()) << text;
  }
}

TEST(TrialState, stays_small) {
  TrialState state;
  for (int i = 0; i < 100; ++i)
    state.add_failure({.node = "n", .started = i, .error = std::string(100'000, '"')});
  EXPECT_EQ(state.failed.size(), kTriesKept);
  EXPECT_EQ(state.failed.back().started, 99);
  EXPECT_LT(encode(state).size(), 10'000U);
}

}  // namespace
}  // namespace aurum::backup
