#include "stack/history.h"

#include <thread>

#include <gtest/gtest.h>

namespace aurum::stack {
namespace {

Instant at(std::int64_t ms) { return Instant{ms * 1'000'000}; }

Acknowledged row(std::int64_t id, std::int64_t sent_ms, std::int64_t acked_ms, std::string node,
                 std::uint32_t timeline) {
  return {id, at(sent_ms), at(acked_ms), std::move(node), timeline};
}

TEST(History, a_clean_fail_over_is_good) {
  History h;
  h.acknowledge(row(1, 0, 1, "a", 1));
  h.acknowledge(row(2, 10, 11, "a", 1));
  h.unknown(3);
  h.acknowledge(row(4, 900, 910, "b", 2));
  const Verdict v = judge(h, {1, 2, 4});
  EXPECT_TRUE(v.good()) << v.text();
  ASSERT_EQ(v.reigns.size(), 2U);
  EXPECT_EQ(v.reigns[0].node, "a");
  EXPECT_EQ(v.reigns[0].rows, 2U);
  EXPECT_EQ(v.reigns[1].timeline, 2U);
}

TEST(History, an_acknowledged_row_that_is_not_there_is_lost) {
  History h;
  h.acknowledge(row(1, 0, 1, "a", 1));
  h.acknowledge(row(2, 10, 11, "a", 1));
  const Verdict v = judge(h, {1});
  ASSERT_EQ(v.lost.size(), 1U);
  EXPECT_EQ(v.lost[0].id, 2);
  EXPECT_FALSE(v.good());
}

TEST(History, a_row_of_unknown_outcome_may_be_there_or_not) {
  History h;
  h.unknown(1);
  h.unknown(2);
  EXPECT_TRUE(judge(h, {1}).good());
}

TEST(History, a_refused_row_must_not_be_there) {
  History h;
  h.refused(1);
  EXPECT_TRUE(judge(h, {}).good());
  EXPECT_EQ(judge(h, {1}).resurrected, std::vector<std::int64_t>{1});
}

TEST(History, a_row_that_nobody_sent_is_reported) {
  const History h;
  EXPECT_EQ(judge(h, {7}).unknown_origin, std::vector<std::int64_t>{7});
}

TEST(History, an_old_primary_that_acknowledges_beside_the_new_one_is_a_second_writer) {
  History h;
  h.acknowledge(row(1, 0, 1, "a", 1));
  h.acknowledge(row(2, 100, 101, "b", 2));
  h.acknowledge(row(3, 102, 103, "a", 1));  // sent after b had acknowledged: certain
  const Verdict v = judge(h, {1, 2, 3});
  ASSERT_EQ(v.second_writer.size(), 1U);
  EXPECT_EQ(v.second_writer[0].id, 3);
}

TEST(History, an_answer_that_was_only_read_late_proves_nothing) {
  History h;
  h.acknowledge(row(1, 0, 1, "a", 1));
  h.acknowledge(row(2, 90, 105, "a", 1));  // sent before b's first acknowledgement
  h.acknowledge(row(3, 99, 100, "b", 2));
  EXPECT_TRUE(judge(h, {1, 2, 3}).good());
}

TEST(History, two_nodes_on_one_timeline_are_two_writers_too) {
  History h;
  h.acknowledge(row(1, 0, 1, "a", 2));
  h.acknowledge(row(2, 10, 11, "b", 2));
  h.acknowledge(row(3, 20, 21, "a", 2));
  EXPECT_EQ(judge(h, {1, 2, 3}).second_writer.size(), 1U);
}

TEST(History, a_node_that_leads_again_later_begins_a_new_reign) {
  History h;
  h.acknowledge(row(1, 0, 1, "a", 1));
  h.acknowledge(row(2, 10, 11, "b", 2));
  h.acknowledge(row(3, 20, 21, "a", 3));
  const Verdict v = judge(h, {1, 2, 3});
  EXPECT_TRUE(v.good()) << v.text();
  EXPECT_EQ(v.reigns.size(), 3U);
}

TEST(History, clients_may_write_it_at_once) {
  History h;
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < 4; ++c) {
      clients.emplace_back([&h, c] {
        for (int i = 0; i < 500; ++i) h.acknowledge(row(c * 1000 + i, i, i + 1, "a", 1));
      });
    }
  }
  EXPECT_EQ(h.count(), 2000U);
  EXPECT_EQ(h.last_acked(), at(500));
}

struct GapCase {
  const char* what;
  std::vector<std::int64_t> acked_ms;
  std::int64_t from_ms, until_ms, gap_ms;
  std::int64_t end_ms;  ///< -1: none
};

TEST(History, the_longest_gap_counts_whole_and_ends_at_the_first_write) {
  const std::vector<GapCase> cases = {
      {"around the event", {0, 100, 1100, 1200}, 150, 1200, 1000, 1100},
      {"a gap before the event does not count", {0, 5000, 5010, 5030}, 5005, 5030, 20, 5030},
      {"a later gap counts", {0, 10, 20, 500, 510}, 15, 600, 480, 500},
      {"no write any more", {0, 10}, 15, 1010, 1000, -1},
      {"nothing at all", {}, 100, 300, 200, -1},
      {"writes after the window end its last gap", {0, 100, 400}, 50, 200, 300, 400},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    std::vector<Acknowledged> acked;
    for (const auto ms : c.acked_ms) acked.push_back(row(ms, ms, ms, "a", 1));
    EXPECT_EQ(to_ms(longest_gap(acked, at(c.from_ms), at(c.until_ms))), c.gap_ms);
    const auto end = gap_end(acked, at(c.from_ms), at(c.until_ms));
    EXPECT_EQ(end ? end->ns / 1'000'000 : -1, c.end_ms);
  }
}

}  // namespace
}  // namespace aurum::stack
