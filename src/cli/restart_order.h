#pragma once

#include <string>
#include <vector>

#include "model/cluster.h"

namespace aurum::cli {

/// In which order members are restarted when the operator named none.
struct RestartOrder {
  std::vector<model::Member> members;
  std::string why;              ///< a line for the operator; "" where the order does not matter
  bool replicas_first = false;  ///< the leader only after all replicas have the higher settings
  bool leader_first = false;    ///< the replicas only after they know of the lower settings
};

/// A standby does not replay past a point where its primary has more max_connections,
/// max_worker_processes, max_wal_senders, max_prepared_transactions or max_locks_per_transaction
/// than itself (PostgreSQL manual, "Hot Standby: Administrator's Overview"), and does not start
/// with less. So what rises, rises on the replicas first; what falls, falls on the leader first.
/// Both at once: the replicas first, since those keep the higher value by themselves. Where neither
/// is the case the leader comes last.
RestartOrder restart_order(const model::ClusterView& view, std::vector<model::Member> members);

}  // namespace aurum::cli
