#include "stack/bench_page.h"

#include <gtest/gtest.h>

namespace aurum::stack {
namespace {

Instant at(std::int64_t ms) { return Instant{ms * 1'000'000}; }

struct Look {
  std::int64_t ms, until_ms;
};

/// Looks two milliseconds long at these moments and, as the watch does, every 2 ms in between.
std::vector<PageSpan> seen(const std::vector<Look>& changes, std::int64_t end_ms) {
  std::vector<PageSpan> spans;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto until = i + 1 < changes.size() ? changes[i + 1].ms : end_ms;
    for (auto ms = changes[i].ms; ms < until; ms += 2)
      add_look(spans, at(ms), at(ms), at(changes[i].until_ms));
  }
  return spans;
}

struct Case {
  const char* what;
  std::vector<Look> page;
  std::int64_t seen_to_ms, sent_ms, acked_ms;
  Past past;
};

TEST(BenchPage, only_a_row_sent_when_nothing_allowed_it_is_past_the_deadline) {
  const std::vector<Case> cases = {
      {"within the deadline", {{0, 1000}}, 2000, 500, 510, Past::no},
      {"sent behind it", {{0, 1000}}, 2000, 1001, 1010, Past::yes},
      {"sent at the very deadline", {{0, 1000}}, 2000, 1000, 1010, Past::yes},
      {"sent before and read behind it: who knows", {{0, 1000}}, 2000, 990, 1010, Past::maybe},
      {"renewed before it ended", {{0, 1000}, {800, 3000}}, 2000, 1100, 1110, Past::no},
      {"renewed late, before the answer", {{0, 1000}, {1200, 3000}}, 2000, 1100, 1210, Past::no},
      {"renewed late, behind the answer", {{0, 1000}, {1200, 3000}}, 2000, 1100, 1110, Past::yes},
      {"given up before it was sent", {{0, 5000}, {1000, 0}}, 2000, 1500, 1510, Past::yes},
      {"given up while it was under way", {{0, 5000}, {1000, 0}}, 2000, 990, 1010, Past::maybe},
      {"a page that never allowed anything", {{0, 0}}, 2000, 10, 20, Past::yes},
      {"nobody looked before it", {{1000, 0}}, 2000, 500, 510, Past::maybe},
      {"nobody looked behind it", {{0, 1000}}, 1200, 1500, 1510, Past::maybe},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    EXPECT_EQ(judge_past(seen(c.page, c.seen_to_ms), at(c.sent_ms), at(c.acked_ms)), c.past);
  }
}

// A watch that did not run for a while may have missed a renewal and its end.
TEST(BenchPage, where_nobody_looked_for_long_nothing_is_proved) {
  auto spans = seen({{0, 100}}, 400);
  for (const Look look : std::vector<Look>{{700, 100}, {702, 100}}) {
    add_look(spans, at(look.ms), at(look.ms), at(look.until_ms));
  }
  EXPECT_EQ(spans.size(), 2U);
  EXPECT_EQ(judge_past(spans, at(300), at(310)), Past::yes);
  EXPECT_EQ(judge_past(spans, at(390), at(650)), Past::maybe);
  EXPECT_EQ(judge_past(spans, at(450), at(460)), Past::maybe);
}

// A look that was interrupted between the page and the clock says when it was at the earliest.
TEST(BenchPage, a_look_that_took_long_does_not_stand_for_its_end) {
  std::vector<PageSpan> spans = seen({{0, 100}}, 300);
  add_look(spans, at(300), at(340), at(100));
  add_look(spans, at(342), at(342), at(9000));
  EXPECT_EQ(judge_past(spans, at(320), at(330)), Past::no);
  EXPECT_EQ(judge_past(spans, at(290), at(295)), Past::yes);
}

TEST(BenchPage, a_pause_has_no_deadline) {
  std::vector<PageSpan> spans;
  for (std::int64_t ms = 0; ms < 100; ms += 2) add_look(spans, at(ms), at(ms), kNever);
  EXPECT_EQ(judge_past(spans, at(50), at(60)), Past::no);
}

}  // namespace
}  // namespace aurum::stack
