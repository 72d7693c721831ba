#include "sim/sync_wait.h"

#include <gtest/gtest.h>

namespace aurum::sim {
namespace {

using Names = std::vector<std::string>;

TEST(SyncWait, is_read_as_postgresql_reads_it) {
  const Names all = {"n1", "n2", "n3"};
  const auto read = [&](const char* text) { return read_sync_wait(text, all); };
  EXPECT_EQ(read("").needed, 0);
  EXPECT_EQ(read("n2").names, Names{"n2"});
  EXPECT_EQ(read("\"n2\"").needed, 1);
  EXPECT_EQ(read("n1, \"n2\"").needed, 1) << "the first of them that is there";
  EXPECT_EQ(read("2 (\"n1\",\"n2\")").needed, 2);
  EXPECT_EQ(read("FIRST 1 (n1,n2)").names, (Names{"n1", "n2"}));
  EXPECT_EQ(read("ANY 2 (\"n1\",\"n2\",\"n3\")").needed, 2);
  EXPECT_EQ(read("*").names, all);
  EXPECT_EQ(read("ANY 1 (*)").names, all);
}

TEST(SyncWait, an_election_must_meet_whoever_a_commit_waited_for) {
  const auto knows = [](Names members, int quorum, const SyncWait& wait) {
    return every_election_knows({.leader = "n1", .members = std::move(members), .quorum = quorum},
                                wait);
  };
  EXPECT_TRUE(knows({"n2"}, 0, {{"n2"}, 1}));
  EXPECT_FALSE(knows({"n2"}, 0, {}));
  EXPECT_FALSE(knows({"n2", "n3"}, 0, {{"n2", "n3"}, 1}));
  EXPECT_TRUE(knows({"n2", "n3"}, 0, {{"n2", "n3"}, 2}));
  EXPECT_TRUE(knows({"n2", "n3"}, 1, {{"n2", "n3"}, 1}));
  EXPECT_FALSE(knows({"n2", "n3"}, 1, {{"n2", "n3", "n4"}, 1})) << "n4 alone may have it";
  EXPECT_TRUE(knows({"n2", "n3"}, 1, {{"n2", "n3", "n4"}, 2}));
  EXPECT_TRUE(knows({"n2"}, 1, {})) << "nobody is elected by one voter";
  EXPECT_TRUE(knows({}, 0, {}));
}

}  // namespace
}  // namespace aurum::sim
