#pragma once

#include "sim/testing/scenario.h"

namespace aurum::sim {

/// A scenario in failsafe mode, in which all nodes are in the map.
class FailsafeScenario : public Scenario {
 protected:
  void begin_failsafe(int nodes = 3, std::uint64_t seed = 1) {
    begin_failsafe(
        {.nodes = nodes, .seed = seed, .dcs = dcs({{"failsafe_mode", true}, {"ttl", 10}})});
  }
  void begin_failsafe(WorldOptions options) {
    const int nodes = options.nodes;
    begin(std::move(options));
    ASSERT_TRUE(w().run_until([&] { return mapped() == nodes; }, seconds(20))) << w().describe();
    w().run_for(seconds(2));
  }
  /// How many the map names.
  int mapped() {
    const auto& map = w().store.view().failsafe;
    return map ? static_cast<int>(map->members.size()) : 0;
  }
  /// Rows that are acknowledged in that time.
  std::size_t rows_in(Duration span) {
    const auto before = w().acknowledged.size();
    w().run_for(span);
    return w().acknowledged.size() - before;
  }
  bool writes_on(Duration span) {
    for (Duration done{}; done < span; done += seconds(1))
      if (rows_in(seconds(1)) < 3) return false;
    return true;
  }
  /// Its core goes on, and reaches the store; its lock is not renewed any more.
  void renew_no_more(Node& node) {
    node.paused_until[static_cast<std::size_t>(Queue::Process::lease_thread)] =
        w().now() + seconds(60);
  }
  /// From all other nodes.
  void cut_off(Node& node, bool cut = true) {
    for (Node* n : w().nodes())
      if (n != &node) w().cut_between(node, *n, cut);
  }
};

}  // namespace aurum::sim
