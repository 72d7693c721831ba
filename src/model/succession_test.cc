#include "model/succession.h"

#include <gtest/gtest.h>

namespace aurum::model {
namespace {

Succession one(int n) {
  return {.at = "2026-11-23T15:00:00.000000+00:00",
          .from = "node-1",
          .to = "node-2",
          .why = "no heartbeat of node-1 for 1250 ms",
          .timeline = static_cast<Timeline>(n),
          .lsn = {67'109'056},
          .others = {{"node-1", std::nullopt}, {"node-3", Lsn{67'109'000}}},
          .detect = milliseconds(1020),
          .acquire = milliseconds(240),
          .promote = milliseconds(80),
          .open = milliseconds(5)};
}

TEST(Succession, is_read_as_it_was_written) {
  const std::vector<Succession> list = {one(2), one(3)};
  EXPECT_EQ(decode_successions(encode_successions(list)), list);
  EXPECT_EQ(one(2).total(), milliseconds(1345));
}

TEST(Succession, the_newest_are_kept) {
  std::vector<Succession> list;
  for (int i = 1; i <= 100; ++i) list.push_back(one(i));
  const auto kept = decode_successions(encode_successions(list));
  ASSERT_EQ(kept.size(), kSuccessionsKept);
  EXPECT_EQ(kept.front().timeline, 71U);
  EXPECT_EQ(kept.back().timeline, 100U);
}

TEST(Succession, what_is_none_is_left_out) {
  for (const auto* text : {"", "{}", "[1, \"x\", {}, {\"to\": 5}]", "[[", "\x01"})
    EXPECT_TRUE(decode_successions(text).empty()) << text;
  EXPECT_EQ(decode_successions(R"([{"to": "b", "others": 7, "detect_ms": -5}])").at(0),
            Succession{.to = "b"});
}

}  // namespace
}  // namespace aurum::model
