#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "stack/cluster.h"
#include "stack/history.h"

namespace aurum::stack {

/// What is done to the cluster, always to its leader.
enum class Fault { pg_kill, switchover, node_kill, agent_kill, pg_freeze, etcd_leader_kill };
std::string_view to_string(Fault fault);
Result<Fault> fault_from(std::string_view name);
/// Whether another node has to take over for writes to be safe; else the leader may recover in
/// place.
bool moves_leader(Fault fault);

/// Sees the phases of one fail-over from outside, every 10 ms: the leader key in etcd, then the
/// REST role of whoever took it.
class PhaseWatch {
 public:
  PhaseWatch(const Cluster& cluster, LeaderKey before);
  ~PhaseWatch();
  PhaseWatch(const PhaseWatch&) = delete;
  PhaseWatch& operator=(const PhaseWatch&) = delete;

  struct Phases {
    std::optional<Instant> detected;  ///< the old leader's key was gone or another's
    std::optional<Instant> acquired;  ///< a new key was there
    std::optional<Instant> promoted;  ///< its owner says it is a running primary
  };
  /// Empty fields: not seen.
  Phases seen() const;

 private:
  void watch(const std::stop_token& stop);
  const Cluster& cluster_;
  LeaderKey before_;
  std::atomic<std::int64_t> detected_{0}, acquired_{0}, promoted_{0};
  std::jthread thread_;
};

/// One fault on one cluster.
struct Run {
  Fault fault{};
  Instant at;     ///< just before the fault
  Instant until;  ///< healthy again
  PhaseWatch::Phases phases;
  std::string note;  ///< what did not go as it should; "" = all well
  // From the history, at the end:
  Duration outage = Duration::zero();
  std::optional<Instant> first_write;
  std::size_t lost = 0;
  std::size_t second_writer = 0;
};

struct Cost {
  Duration zero_to_healthy = Duration::zero();
  double pss_mb = 0;       ///< of one agent and its helpers, PostgreSQL not counted
  double cpu_percent = 0;  ///< of one core, idle cluster without writes
};

/// Mean over all nodes; takes `over` of time.
Cost measure_cost(const Cluster& cluster, Duration over);

}  // namespace aurum::stack
