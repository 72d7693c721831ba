#include "core/switchover.h"

#include <fmt/format.h>

namespace aurum::core {

RequestVerdict check_request(const model::FailoverRequest& request, const std::string& leader,
                             WallTime wall, bool paused) {
  using What = RequestVerdict::What;
  if (!request.scheduled_at.empty()) {
    const auto at = model::parse_iso8601(request.scheduled_at);
    if (!at)
      return {What::drop, fmt::format("scheduled_at '{}' can not be read: {}", request.scheduled_at,
                                      at.error().message)};
    const Duration ahead = std::chrono::microseconds(at->us - wall.us);
    if (ahead > Duration{0}) return {What::wait, "scheduled", ahead};
    if (-ahead > kScheduleGrace)
      return {What::drop,
              fmt::format("the switchover scheduled at {} was missed", request.scheduled_at)};
    if (paused)
      return {What::drop, "a scheduled switchover does not run while the cluster is paused"};
  }
  if (!request.leader.empty() && request.leader != leader) {
    return {What::drop, "Cleaning up failover key after acquiring leader lock..."};
  }
  if (request.candidate == leader)
    return {What::drop, "Cleaning up failover key after acquiring leader lock..."};
  if (paused && request.candidate.empty()) {
    return {What::drop, "switchover is possible only to a specific candidate in a paused state"};
  }
  if (!request.scheduled_at.empty()) return {What::due, {}};
  return {What::go, {}};
}

std::vector<std::string> possible_successors(const RaceView& leader, const PeerAnswers& answers,
                                             bool failover) {
  std::vector<std::string> names;
  const model::SyncKey& sync = leader.cluster->sync;
  // With a quorum the votes will tell.
  const bool sync_mode =
      leader.config->synchronous_mode == model::SyncMode::on && !sync.leader.empty();
  const auto& request = leader.cluster->failover;
  for (const auto& [name, status] : answers) {
    if (!status || name == leader.self || !status->running || !status->in_recovery) continue;
    if (status->watchdog_failed) continue;
    const bool named = request && !request->candidate.empty();
    if (named && name != request->candidate) continue;
    // Nobody but an operator hands over to less room.
    const model::Member* known = leader.cluster->member(name);
    const bool short_of_room = known != nullptr && known->disk == model::DiskLevel::critical;
    if (!named && short_of_room && leader.disk != model::DiskLevel::critical) continue;
    model::Member member;
    member.tags = status->tags;
    if (model::tag_nofailover(member)) continue;
    if (sync_mode && !failover && !sync.has(name)) continue;
    const std::uint64_t lag =
        leader.position > status->position ? leader.position.value - status->position.value : 0;
    if (lag > static_cast<std::uint64_t>(leader.config->maximum_lag_on_failover)) continue;
    names.push_back(name);
  }
  return names;
}

}  // namespace aurum::core
