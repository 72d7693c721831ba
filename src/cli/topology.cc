#include <algorithm>
#include <map>
#include <set>

#include "cli/member_rows.h"

namespace aurum::cli {

namespace {

/// The member that `name` is shown under, "" for the root.
std::string parent_of(const model::ClusterView& view, const std::string& name,
                      const std::string& root) {
  if (name == root) return {};
  const std::string source = model::tag_replicatefrom(view.members.at(name));
  return source != name && view.members.contains(source) ? source : root;
}

/// True when the way up from `name` ends at the root instead of going round.
bool reaches_root(const std::map<std::string, std::string>& parents, std::string name,
                  const std::string& root) {
  std::set<std::string> seen;
  while (name != root && !name.empty())
    if (!seen.insert(name).second)
      return false;
    else
      name = parents.at(name);
  return true;
}

void append_below(const std::map<std::string, std::vector<std::string>>& children,
                  const std::string& name, int depth, std::vector<TopologyPlace>& out) {
  out.push_back({name, depth});
  if (const auto below = children.find(name); below != children.end())
    for (const auto& child : below->second) append_below(children, child, depth + 1, out);
}

}  // namespace

std::vector<TopologyPlace> topology_order(const model::ClusterView& view) {
  const std::string root = view.leader_member() != nullptr ? view.leader_name() : std::string();
  std::map<std::string, std::string> parents;
  for (const auto& [name, member] : view.members) parents[name] = parent_of(view, name, root);
  std::map<std::string, std::vector<std::string>> children;
  for (auto& [name, parent] : parents) {
    if (!reaches_root(parents, name, root)) parent = root;
    if (name != root) children[parent].push_back(name);
  }
  std::vector<TopologyPlace> out;
  if (!root.empty()) {
    append_below(children, root, 0, out);
  } else {
    for (const auto& name : children[""]) append_below(children, name, 0, out);
  }
  return out;
}

}  // namespace aurum::cli
