#include "dcs/etcd/freshness.h"

#include <gtest/gtest.h>

namespace aurum::dcs::etcd {
namespace {

constexpr Instant kStart{1'000'000'000};

struct Client {
  Freshness freshness;
  bool ask(const std::string& endpoint, AnswerStamp answer, Duration at = {},
           Freshness::Check check = {}) {
    const AnswerStamp known = freshness.known();
    return freshness.accept(answer, known, check, endpoint, 2, kStart + at);
  }
};

TEST(Freshness, refuses_a_member_that_lags_behind_what_was_seen) {
  Client client;
  EXPECT_TRUE(client.ask("a", {1, 5, 100}));
  EXPECT_FALSE(client.ask("b", {1, 4, 100})) << "older term";
  EXPECT_FALSE(client.ask("b", {1, 5, 99})) << "older revision";
  EXPECT_TRUE(client.ask("b", {1, 5, 100}));
  EXPECT_TRUE(client.ask("b", {1, 6, 101}));
  EXPECT_FALSE(client.ask("a", {1, 5, 102}));
}

TEST(Freshness, lets_a_member_lag_where_that_is_lawful) {
  Client client;
  EXPECT_TRUE(client.ask("a", {1, 5, 100}));
  EXPECT_TRUE(client.ask("b", {1, 5, 90}, {}, {.revision = false}));
  EXPECT_FALSE(client.ask("b", {1, 4, 90}, {}, {.revision = false}));
  EXPECT_EQ(client.freshness.known().revision, 100);
}

TEST(Freshness, answers_of_calls_that_overlap_may_overtake_each_other) {
  Freshness freshness;
  const AnswerStamp at_start = freshness.known();
  EXPECT_TRUE(freshness.accept({1, 5, 100}, at_start, {}, "a", 1, kStart));
  EXPECT_TRUE(freshness.accept({1, 5, 99}, at_start, {}, "a", 1, kStart));
  EXPECT_EQ(freshness.known().revision, 100);
}

TEST(Freshness, refuses_another_cluster) {
  Client client;
  EXPECT_TRUE(client.ask("a", {1, 5, 100}));
  EXPECT_FALSE(client.ask("b", {2, 9, 900}));
  EXPECT_TRUE(client.ask("a", {1, 5, 100}));
}

TEST(Freshness, believes_that_the_store_was_rebuilt_when_all_endpoints_say_so_for_long) {
  Client client;
  EXPECT_TRUE(client.ask("a", {1, 5, 100}));
  EXPECT_FALSE(client.ask("a", {2, 1, 1}));
  EXPECT_FALSE(client.ask("a", {2, 1, 1}, seconds(60))) << "b was not heard";
  EXPECT_TRUE(client.ask("b", {2, 1, 1}, seconds(60)));
  EXPECT_TRUE(client.ask("a", {2, 1, 2}, seconds(60)));
  EXPECT_FALSE(client.ask("a", {2, 1, 1}, seconds(61)));
}

TEST(Freshness, a_good_answer_between_disproves_it) {
  Client client;
  EXPECT_TRUE(client.ask("a", {1, 5, 100}));
  EXPECT_FALSE(client.ask("b", {1, 5, 10}));
  EXPECT_TRUE(client.ask("a", {1, 5, 100}, seconds(5)));
  EXPECT_FALSE(client.ask("b", {1, 5, 10}, seconds(60)));
  EXPECT_FALSE(client.ask("a", {1, 5, 10}, seconds(61)));
}

}  // namespace
}  // namespace aurum::dcs::etcd
