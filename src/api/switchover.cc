#include "api/switchover.h"

#include <fmt/format.h>

namespace aurum::api {
namespace {

std::string_view name_of(Handover kind) {
  return kind == Handover::switchover ? "switchover" : "failover";
}
std::string_view title_of(Handover kind) {
  return kind == Handover::switchover ? "Switchover" : "Failover";
}

std::string text_of(const model::Value& body, std::string_view key) {
  const model::Value* value = body.find(key);
  return value == nullptr ? std::string() : value->text();
}

tl::unexpected<Refusal> refuse(int status, std::string text) {
  return tl::unexpected(Refusal{status, std::move(text)});
}

}  // namespace

tl::expected<HandoverPlan, Refusal> read_handover(Handover kind, const model::Value& body,
                                                  WallTime now, bool paused) {
  HandoverPlan plan;
  plan.kind = kind;
  auto& request = plan.request;
  request.leader = text_of(body, "leader");
  request.candidate = text_of(body, "candidate");
  if (request.candidate.empty()) request.candidate = text_of(body, "member");
  const bool failover = kind == Handover::failover;
  if (failover && request.candidate.empty())
    return refuse(400, "Failover could be performed only to a specific candidate");
  if (!failover && request.leader.empty())
    return refuse(400, "Switchover could be performed only from a specific leader");
  const model::Value* schedule = body.find("scheduled_at");
  if (schedule != nullptr && !schedule->empty()) {
    if (failover) return refuse(400, "Failover can't be scheduled");
    if (paused) return refuse(400, "Can't schedule switchover in the paused state");
    const auto at = read_schedule(*schedule, "switchover", now);
    if (!at) return tl::unexpected(at.error());
    request.scheduled_at = schedule_text(*at);
  }
  if (paused && request.candidate.empty())
    return refuse(400, "Switchover is possible only to a specific candidate in a paused state");
  if (!request.leader.empty()) plan.kind = Handover::switchover;
  if (request.leader == request.candidate)
    return refuse(400, "Switchover target and source are the same");
  return plan;
}

tl::expected<std::vector<model::Member>, Refusal> handover_candidates(
    const HandoverPlan& plan, const model::ClusterView& cluster, model::SyncMode mode) {
  const auto& request = plan.request;
  const auto impossible = [&](std::string_view why) {
    return refuse(412, fmt::format("{} is not possible: {}", name_of(plan.kind), why));
  };
  if (!request.leader.empty() && request.leader != cluster.leader_name())
    return refuse(412, "leader name does not match");
  if (!request.candidate.empty()) {
    if (plan.kind == Handover::switchover && mode == model::SyncMode::on &&
        !cluster.sync.has(request.candidate))
      return refuse(412, "candidate name does not match with sync_standby");
    const model::Member* candidate = cluster.member(request.candidate);
    if (candidate == nullptr) return refuse(412, "candidate does not exists");
    return std::vector<model::Member>{*candidate};
  }
  // Those that run come first: a dead member costs the wait for its silence.
  std::vector<model::Member> out, others;
  for (const auto& [name, member] : cluster.members) {
    if (name == cluster.leader_name()) continue;
    if (mode != model::SyncMode::off && !cluster.sync.has(name)) continue;
    (member.state == model::PgState::running ? out : others).push_back(member);
  }
  out.insert(out.end(), others.begin(), others.end());
  if (out.empty() && mode != model::SyncMode::off) return impossible("can not find sync_standby");
  if (out.empty()) return impossible("cluster does not have members except leader");
  return out;
}

bool awaits_sync_standby(const model::ClusterView& cluster, model::SyncMode mode) {
  if (mode == model::SyncMode::off) return false;
  bool runs = false;
  for (const auto& [name, member] : cluster.members) {
    if (name == cluster.leader_name()) continue;
    if (cluster.sync.has(name)) return false;
    runs = runs || (member.state == model::PgState::running && !tag_nosync(member));
  }
  return runs;
}

bool is_good_candidate(const std::optional<model::PeerStatus>& answer) {
  if (!answer || answer->watchdog_failed) return false;
  model::Member member;
  member.tags = answer->tags;
  return !tag_nofailover(member);
}

Refusal no_good_candidates(Handover kind) {
  return {412,
          fmt::format("{} is not possible: no good candidates have been found", name_of(kind))};
}

std::optional<Refusal> handover_outcome(const HandoverPlan& plan, const std::string& leader_before,
                                        const model::ClusterView& cluster) {
  const std::string leader = cluster.leader_name();
  const std::string& candidate = plan.request.candidate;
  if (!leader.empty() && leader != leader_before) {
    const bool planned = plan.kind == Handover::switchover;
    if (candidate.empty() || candidate == leader) {
      return Refusal{200, fmt::format("Successfully {} over to \"{}\"",
                                      planned ? "switched" : "failed", leader)};
    }
    return Refusal{200, fmt::format("{} over to \"{}\" instead of \"{}\"",
                                    planned ? "Switched" : "Failed", leader, candidate)};
  }
  // Without a leader the race is still open, although the request may be gone already.
  const bool cleared = !cluster.failover || cluster.failover->is_empty();
  if (cleared && !leader.empty())
    return Refusal{503, fmt::format("{} failed", title_of(plan.kind))};
  return std::nullopt;
}

Refusal handover_unknown(Handover kind) {
  return {503, fmt::format("{} status unknown", title_of(kind))};
}

}  // namespace aurum::api
