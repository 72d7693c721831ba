#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "sim/faults.h"
#include "sim/profile.h"
#include "sim/trace.h"
#include "sim/violation.h"

namespace aurum::sim {

/// One run: a cluster of a profile lives through a plan of faults, which is then undone, and must
/// come back. Everything follows from these values: the same give the same run, to the last event.
struct RunOptions {
  std::uint64_t seed = 1;
  Profile profile;
  FaultMix faults;
  Duration faulty = seconds(60);  ///< how long faults begin
  std::vector<int> without;       ///< numbers of faults of the plan to leave out (--shrink)
  bool trace = false;             ///< fill RunResult::trace
};

/// What became of it.
struct RunResult {
  std::vector<Violation> violations;  ///< empty: no rule was broken. The first one is the cause
  Shape shape;
  std::vector<Fault> plan;  ///< with those of `without`
  Duration simulated{};
  Duration writer_after{}, healthy_after{};  ///< the last fault
  std::map<std::string, int> faults;         ///< begun, by kind
  std::map<std::string, int> excused;   ///< broken rules that docs/SIMULATION.md excuses, by name
  std::uint64_t steps = 0;              ///< events that cores took in
  std::uint64_t digest = 0;             ///< of all of them: equal only for equal runs
  std::string last_event;               ///< of any core
  std::string story;                    ///< of a failed run: last notes per node
  std::vector<std::string> last_notes;  ///< of a failed run: a few of each node
  std::vector<TraceEntry> trace;
  int failovers = 0;               ///< times that another node became the writer
  std::uint64_t acknowledged = 0;  ///< writes that clients were told to be committed
};

RunResult run(const RunOptions& options);

}  // namespace aurum::sim
