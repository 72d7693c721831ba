#include "cli/restart_order.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace aurum::cli {

namespace {

constexpr std::array<std::string_view, 5> kStandbyLimits{
    "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
    "max_locks_per_transaction"};

struct Changes {
  std::set<std::string> raised, lowered;
};

Changes limits_of(const std::vector<model::Member>& members) {
  Changes out;
  for (const auto& member : members) {
    for (const auto limit : kStandbyLimits) {
      const model::Value* change = member.pending_restart_reason.find(limit);
      const model::Value* before = change != nullptr ? change->find("old_value") : nullptr;
      const model::Value* after = change != nullptr ? change->find("new_value") : nullptr;
      if (before == nullptr || after == nullptr) continue;
      const auto from = model::read_int(*before), to = model::read_int(*after);
      if (from && to && *to > *from) out.raised.insert(std::string(limit));
      if (from && to && *to < *from) out.lowered.insert(std::string(limit));
    }
  }
  return out;
}

}  // namespace

RestartOrder restart_order(const model::ClusterView& view, std::vector<model::Member> members) {
  RestartOrder order;
  const auto [raised, lowered] = limits_of(members);
  const std::string leader = view.leader_name();
  const auto at = std::find_if(members.begin(), members.end(),
                               [&](const auto& member) { return member.name == leader; });
  const bool with_leader = at != members.end();
  order.leader_first = with_leader && raised.empty() && !lowered.empty();
  order.replicas_first = with_leader && !raised.empty();
  if (with_leader && order.leader_first)
    std::rotate(members.begin(), at, std::next(at));
  else if (with_leader)
    std::rotate(at, std::next(at), members.end());
  order.members = std::move(members);
  if (order.leader_first)
    order.why =
        fmt::format("The leader is restarted first: {} falls, and no replica may have less than it",
                    fmt::join(lowered, ", "));
  if (order.replicas_first)
    order.why = fmt::format(
        "The replicas are restarted first: {} rises, and no replica may have less than the leader",
        fmt::join(raised, ", "));
  if (order.replicas_first && !lowered.empty())
    order.why +=
        fmt::format("; they keep {} until they are restarted once more", fmt::join(lowered, ", "));
  return order;
}

}  // namespace aurum::cli
