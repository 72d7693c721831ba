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

namespace aurum::stack {

/// What is done to the cluster, always to its leader.
enum class Fault {
  pg_kill,
  switchover,
  node_kill,
  agent_kill,
  agent_stop,
  pg_freeze,
  etcd_leader_kill
};
std::string_view to_string(Fault fault);
Result<Fault> fault_from(std::string_view name);
/// Whether another node has to take over for writes to be safe; else the leader may recover in
/// place.
bool moves_leader(Fault fault);
/// Whether it is healed only after a time of its own, however soon another node leads: what its
/// server does meanwhile is to be seen.
bool lasts(Fault fault);

/// Sees the phases of one fail-over from outside, every 10 ms: the leader key in etcd, then the
/// REST role of whoever took it.
class PhaseWatch {
 public:
  PhaseWatch(const Cluster& cluster, LeaderKey before);
  ~PhaseWatch();
  PhaseWatch(const PhaseWatch&) = delete;
  PhaseWatch& operator=(const PhaseWatch&) = delete;

  struct Phases {
    std::optional<Instant> detected;   ///< the old leader's key was gone or another's
    std::optional<Instant> acquired;   ///< a new key was there
    std::optional<Instant> promoted;   ///< its owner says it is a running primary
    std::optional<std::size_t> owner;  ///< the node of that key
  };
  /// Empty fields: not seen.
  Phases seen() const;

 private:
  static constexpr std::size_t kNobody = static_cast<std::size_t>(-1);
  void watch(const std::stop_token& stop);
  const Cluster& cluster_;
  LeaderKey before_;
  std::atomic<std::int64_t> detected_{0}, acquired_{0}, promoted_{0};
  std::atomic<std::size_t> owner_{kNobody};
  std::jthread thread_;
};

struct Cost {
  Duration zero_to_healthy = Duration::zero();
  double pss_mb = 0;       ///< of one agent and its helpers, PostgreSQL not counted
  double cpu_percent = 0;  ///< of one core, idle cluster without writes
};

/// Mean over all nodes; takes `over` of time.
Cost measure_cost(const Cluster& cluster, Duration over);

}  // namespace aurum::stack
