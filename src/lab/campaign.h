#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/run.h"

/// Many runs at once.
namespace aurum::lab {

struct Campaign {
  std::uint64_t first = 1, last = 1000;
  sim::RunOptions options;  ///< the seed is set for each
  int jobs = 1;
  int failures_most = 10;  ///< stops after so many failed seeds
};

/// What became of them.
struct Totals {
  std::uint64_t seeds = 0;
  Duration simulated{};
  Duration took{};  ///< by the clock on the wall
  std::uint64_t steps = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t failovers = 0;
  /// The longest after the last fault, and whose.
  struct Longest {
    Duration time{};
    std::uint64_t seed = 0;
  } writer_after, healthy_after;
  std::map<std::string, std::uint64_t> faults, excused;
  std::vector<sim::RunOptions> failed;  ///< in order of their seeds

  std::uint64_t faults_begun() const;
  double simulated_hours() const { return to_seconds(simulated) / 3600; }
  double hours_per_minute() const;  ///< simulated hours in a minute of work
};

/// `progress` is called about twice a second, from this thread; true: go on.
Totals run_campaign(const Campaign& campaign, const std::function<bool(const Totals&)>& progress);

}  // namespace aurum::lab
