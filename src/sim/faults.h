#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace aurum::sim {

/// Everything that can be done to a cluster, or asked of it, in a random run. A new kind goes with
/// a row in faults.cc, and a case in inject.cc.
enum class FaultKind : std::uint8_t {
  kill_server,
  hang_server,
  kill_agent,
  stop_agent,
  pause_agent,
  pause_lease_thread,
  pause_guard,
  pause_postmaster,
  pause_backends,
  freeze,
  power_off,
  power_cycle,
  cut_from_store,
  one_way_from_store,
  cut_from_peers,
  cut_between,
  one_way_between,
  slow_node,
  lossy_node,
  no_names,
  cut_store,
  no_quorum,
  lose_replies,
  delay_requests,
  double_requests,
  expire_lease,
  stale_reads,
  stall_watch,
  lying_keepalive,
  expire_token,
  failing_jobs,
  disk_full,
  slow_promotion,
  slow_start,
  slow_stop,
  late_promotion,
  lying_disk,
  switchover,
  failover,
  restart,
  rolling_restart,
  reinit,
  cancel_commits,
  pause,
  change_timing,
  change_sync_mode,
  remove_member,
  fill_disk,
  demote_cluster,
  promote_cluster,
  remote_fails_over,
  remote_down,
  cut_from_remote,
  restore_cluster,
  end_restore,
};
inline constexpr int kFaultKinds = static_cast<int>(FaultKind::end_restore) + 1;
std::string_view name_of(FaultKind kind);

/// Whom a fault hits; found out when it begins.
inline constexpr int kLeader = -1;
inline constexpr int kReplica = -2;

/// One fault: begins at `at` after the run's begin, is undone after `lasts` (those that can be).
struct Fault {
  FaultKind kind{};
  Duration at{};
  Duration lasts{};
  int node = 0;              ///< an index, kLeader or kReplica
  std::uint64_t detail = 0;  ///< what the kind makes of it

  std::string text() const;  ///< "12.345 s: power_off leader for 4.2 s"
};

/// How often which kinds happen.
struct FaultMix {
  std::string name = "default";
  Duration mean_gap = seconds(2);     ///< between two beginnings
  Duration mean_length = seconds(4);  ///< of those that last
  std::vector<std::pair<FaultKind, int>> weights;
};

/// none, default, network, store, processes, disk, operators, storm, room (default, and disks that
/// fill).
Result<FaultMix> parse_faults(std::string_view name);

/// What a standby cluster's operators and its way to the remote are good for.
FaultMix faults_of_standby_clusters();
/// How operators restore clusters, confirm that, and undo it.
FaultMix faults_of_restores();

/// All faults of one run, in order of time.
std::vector<Fault> plan_faults(const FaultMix& mix, int nodes, Duration length, std::uint64_t seed);
/// Both, in order of time: those of a profile beside those of any mix.
void join_plans(std::vector<Fault>& plan, const std::vector<Fault>& more);

}  // namespace aurum::sim
