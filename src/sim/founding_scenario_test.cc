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
    EXPECT_TRUE(w.violations.empty()) << w.violations.front() << w.describe();
  }
}

}  // namespace
}  // namespace aurum::sim
