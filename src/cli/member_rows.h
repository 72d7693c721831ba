#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/records.h"
#include "model/cluster.h"

namespace aurum::cli {

struct ListStyle {
  Format format = Format::pretty;
  bool extended = false;   ///< also the columns that are empty for every member
  bool colour = false;     ///< role and state in colour (pretty and topology only)
  std::string group = {};  ///< Citus group, "" = none
};

/// The members of one cluster as `list` and `topology` print them (PATRONI_COMPAT §4.3), with the
/// footer of pretty and topology (maintenance mode, scheduled switchover).
std::string render_members(const model::ClusterView& view, std::string_view scope,
                           const ListStyle& style);

/// Member names in the order of `topology` with their depth: the leader first, then each replica
/// under the member it replicates from; one whose source is absent, itself or part of a ring stands
/// under the leader.
struct TopologyPlace {
  std::string name;
  int depth = 0;
};
std::vector<TopologyPlace> topology_order(const model::ClusterView& view);

}  // namespace aurum::cli
