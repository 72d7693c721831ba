// The life of a healthy cluster: it is born, it is asked for things, it is left alone.

#include <gtest/gtest.h>

#include "sim/world.h"

namespace aurum::sim {
namespace {

TEST(Cluster, three_empty_nodes_become_one_leader_and_two_streaming_replicas) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World w({.nodes = 3, .seed = seed});
    for (Node* n : w.nodes()) w.start_agent(*n);
    EXPECT_TRUE(w.run_until_healthy()) << w.describe();
    EXPECT_EQ(w.initdbs, 1);
    w.run_for(seconds(1));
    for (Node* n : w.nodes()) {
      EXPECT_FALSE(n->pg.founding) << w.describe();
      EXPECT_FALSE(n->said("bootstrap.resume")) << w.describe();
    }
    EXPECT_TRUE(w.violations.empty()) << w.violations.front() << w.describe();
  }
}

// Seed 287665: the store ended the lease of the claim (F4) while the answer was on its way.
TEST(Cluster, a_claim_that_is_lost_before_its_answer_comes_makes_no_second_cluster) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World w({.nodes = 3, .seed = seed});
    for (Node* n : w.nodes()) w.start_agent(*n);
    ASSERT_TRUE(
        w.run_until([&] { return w.store.find("initialize") != nullptr; }, milliseconds(50)));
    for (Node* n : w.nodes()) {
      if (n->lease == w.store.find("initialize")->lease) {
        w.expire_lease(*n);
        break;
      }
    }
    EXPECT_EQ(w.store.find("initialize"), nullptr);
    EXPECT_TRUE(w.run_until_healthy()) << w.describe();
    for (const Node* n : w.nodes())
      EXPECT_EQ(n->pg.system_identifier, w.store.view().initialize) << w.describe();
    EXPECT_TRUE(w.violations.empty()) << w.violations.front() << w.describe();
  }
}

TEST(Cluster, one_that_is_founded_in_a_pause_is_founded_to_the_end) {
  model::Value dcs = model::Value::object();
  dcs.set("pause", true);
  World w({.nodes = 1, .dcs = dcs});
  Node& n = *w.nodes().front();
  w.start_agent(n);
  ASSERT_TRUE(w.run_until_healthy()) << w.describe();
  w.run_for(seconds(1));
  EXPECT_FALSE(n.pg.founding);
  w.request(n, Request{1, RestartRequest{}});
  w.run_for(seconds(3));
  ASSERT_EQ(n.replies.size(), 1u);
  EXPECT_EQ(n.replies.front().status, 200) << n.replies.front().text;
  EXPECT_TRUE(w.violations.empty()) << w.violations.front();
}

TEST(Cluster, a_restart_asked_for_during_the_founding_is_refused) {
  World w({.nodes = 1});
  Node& n = *w.nodes().front();
  w.start_agent(n);
  ASSERT_TRUE(w.run_until([&] { return n.pg.data == model::DataDir::ready; }, seconds(10)));
  w.request(n, Request{1, RestartRequest{}});
  EXPECT_TRUE(w.run_until_healthy()) << w.describe();
  ASSERT_EQ(n.replies.size(), 1u);
  EXPECT_EQ(n.replies.front().status, 503);
}

// Also when the agent that began it is gone, and the present one can not ask the store (seed 2079).
TEST(Cluster, a_restart_of_a_founding_cut_short_is_refused) {
  World w({.nodes = 1});
  Node& n = *w.nodes().front();
  w.start_agent(n);
  ASSERT_TRUE(w.run_until([&] { return n.pg.data == model::DataDir::ready; }, seconds(10)));
  w.power_off(n);
  w.cut_store(true);
  w.power_on(n);
  w.run_for(seconds(5));
  w.request(n, Request{1, RestartRequest{}});
  w.run_for(seconds(5));
  ASSERT_EQ(n.replies.size(), 1u);
  EXPECT_EQ(n.replies.front().status, 503);
  w.cut_store(false);
  EXPECT_TRUE(w.run_until_healthy()) << w.describe();
}

TEST(Cluster, a_new_cluster_that_has_written_is_never_taken_back) {
  World w({.nodes = 1});
  Node& n = *w.nodes().front();
  w.start_agent(n);
  ASSERT_TRUE(w.run_until([&] { return w.writer() != nullptr; }, seconds(10)));
  w.cut_store(true);  // "finish bootstrap" gets no answer
  w.run_for(seconds(2));
  n.pg.disk_full = true;  // the server crashes, and can not be started
  w.run_for(seconds(1));
  ASSERT_FALSE(n.pg.alive);
  n.pg.disk_full = false;
  w.cut_store(false);
  EXPECT_TRUE(w.run_until_healthy()) << w.describe();
  EXPECT_EQ(w.initdbs, 1);
  EXPECT_EQ(w.lost_unguarded, 0);
}

}  // namespace
}  // namespace aurum::sim
