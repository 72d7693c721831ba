#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "stack/cluster.h"

/// Looks at one node from outside.
namespace aurum::tests {

/// The first field of the answer's first row, "" when there is none. Bounded by five seconds.
Result<std::string> sql(const std::string& conninfo, const std::string& statement);
inline Result<std::string> sql(const stack::Cluster& cluster, std::size_t node,
                               const std::string& statement) {
  return sql(cluster.conninfo(node), statement);
}

std::string file_text(const std::filesystem::path& file);

/// The guard of a node: the process that is called so, marked as this node's.
std::optional<stack::ProcessId> guard_of(const stack::Cluster& cluster, std::size_t node);

/// Puts one key of etcd, past every agent.
Status put_key(const stack::Cluster& cluster, const std::string& key, const std::string& value);
/// Removes every key of this cluster, as a store has that was set up anew.
Status forget_cluster(const stack::Cluster& cluster);
/// Its text; Code::not_found when it is absent.
Result<std::string> get_key(const stack::Cluster& cluster, const std::string& key);

/// Etcd's alarm NOSPACE, as a cluster has whose quota is used up: from then on nobody
/// may write, until it is disarmed (etcd manual, "Maintenance", space quota).
Status set_etcd_full(const stack::Cluster& cluster, bool full);

void nap(Duration time);

}  // namespace aurum::tests
