#include "sim/faults.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include <fmt/format.h>

namespace aurum::sim {

namespace {

using K = FaultKind;

struct Row {
  FaultKind kind;
  const char* name;
  const char* group;
  int weight;  ///< in `default`
  bool lasts;
};

constexpr Row kRows[] = {
    {K::kill_server, "kill_server", "processes", 6, false},
    {K::hang_server, "hang_server", "processes", 4, true},
    {K::kill_agent, "kill_agent", "processes", 5, true},
    {K::stop_agent, "stop_agent", "operators", 4, true},
    {K::pause_agent, "pause_agent", "processes", 5, true},
    {K::pause_lease_thread, "pause_lease_thread", "processes", 4, true},
    {K::pause_guard, "pause_guard", "processes", 1, true},
    {K::pause_postmaster, "pause_postmaster", "processes", 2, true},
    {K::pause_backends, "pause_backends", "processes", 2, true},
    {K::freeze, "freeze", "processes", 4, true},
    {K::power_off, "power_off", "processes", 5, true},
    {K::power_cycle, "power_cycle", "processes", 1, true},
    {K::cut_from_store, "cut_from_store", "network", 5, true},
    {K::one_way_from_store, "one_way_from_store", "network", 4, true},
    {K::cut_from_peers, "cut_from_peers", "network", 5, true},
    {K::cut_between, "cut_between", "network", 4, true},
    {K::one_way_between, "one_way_between", "network", 4, true},
    {K::slow_node, "slow_node", "network", 4, true},
    {K::lossy_node, "lossy_node", "network", 4, true},
    {K::no_names, "no_names", "network", 3, true},
    {K::cut_store, "cut_store", "store", 3, true},
    {K::no_quorum, "no_quorum", "store", 3, true},
    {K::lose_replies, "lose_replies", "store", 4, false},
    {K::delay_requests, "delay_requests", "store", 4, false},
    {K::double_requests, "double_requests", "store", 3, false},
    {K::expire_lease, "expire_lease", "store", 3, false},
    {K::stale_reads, "stale_reads", "store", 3, true},
    {K::stall_watch, "stall_watch", "store", 3, true},
    {K::lying_keepalive, "lying_keepalive", "store", 2, true},
    {K::expire_token, "expire_token", "store", 2, false},
    {K::failing_jobs, "failing_jobs", "disk", 5, false},
    {K::disk_full, "disk_full", "disk", 3, true},
    {K::slow_promotion, "slow_promotion", "disk", 2, true},
    {K::slow_start, "slow_start", "disk", 2, true},
    {K::slow_stop, "slow_stop", "disk", 2, true},
    {K::late_promotion, "late_promotion", "disk", 2, false},
    {K::lying_disk, "lying_disk", "disk", 2, true},
    {K::switchover, "switchover", "operators", 5, false},
    {K::failover, "failover", "operators", 2, false},
    {K::restart, "restart", "operators", 3, false},
    {K::rolling_restart, "rolling_restart", "operators", 1, false},
    {K::reinit, "reinit", "operators", 2, false},
    {K::cancel_commits, "cancel_commits", "operators", 2, false},
    {K::pause, "pause", "operators", 2, true},
    {K::change_timing, "change_timing", "operators", 2, false},
    {K::change_sync_mode, "change_sync_mode", "operators", 2, false},
    {K::remove_member, "remove_member", "operators", 1, true},
    {K::fill_disk, "fill_disk", "room", 15, true},
    {K::demote_cluster, "demote_cluster", "standby", 4, false},
    {K::promote_cluster, "promote_cluster", "standby", 4, true},
    {K::remote_fails_over, "remote_fails_over", "standby", 2, false},
    {K::remote_down, "remote_down", "standby", 2, true},
    {K::cut_from_remote, "cut_from_remote", "standby", 3, true},
    {K::restore_cluster, "restore_cluster", "restore", 2, false},
    {K::end_restore, "end_restore", "restore", 3, false},
};
static_assert(std::size(kRows) == kFaultKinds);

const Row& row(FaultKind kind) { return kRows[static_cast<int>(kind)]; }

/// Between two deeds that a profile brings with it.
constexpr Duration kMeanGapOfProfiles = seconds(5);

/// They come with a profile, whatever the mix is.
bool of_a_profile(std::string_view group) { return group == "standby" || group == "restore"; }

FaultMix mix_of_profile(std::string_view group) {
  FaultMix mix;
  mix.name = group;
  mix.mean_gap = kMeanGapOfProfiles;
  for (const Row& r : kRows) {
    if (r.group == group) mix.weights.emplace_back(r.kind, r.weight);
  }
  return mix;
}

}  // namespace

std::string_view name_of(FaultKind kind) { return row(kind).name; }

std::string Fault::text() const {
  const std::string whom = node == kLeader    ? "the leader"
                           : node == kReplica ? "a replica"
                                              : fmt::format("n{}", node + 1);
  std::string text = fmt::format("{:.3f} s: {} {}", to_seconds(at), name_of(kind), whom);
  if (row(kind).lasts) text += fmt::format(" for {:.3f} s", to_seconds(lasts));
  return text;
}

Result<FaultMix> parse_faults(std::string_view name) {
  FaultMix mix;
  mix.name = name;
  if (name == "none") return mix;
  for (const Row& r : kRows) {
    if (of_a_profile(r.group)) continue;
    const bool broad = name == "default" || name == "storm" || name == "room";
    const bool in = name == r.group || (broad && std::string_view(r.group) != "room");
    if (in) mix.weights.emplace_back(r.kind, r.weight);
  }
  if (name == "storm") mix.mean_gap = milliseconds(500);
  if (mix.weights.empty()) {
    return fail(Code::invalid, fmt::format("unknown fault mix '{}'", name),
                "none, default, network, store, processes, disk, operators, storm or room");
  }
  return mix;
}

FaultMix faults_of_standby_clusters() { return mix_of_profile("standby"); }
FaultMix faults_of_restores() { return mix_of_profile("restore"); }

void join_plans(std::vector<Fault>& plan, const std::vector<Fault>& more) {
  std::vector<Fault> both;
  std::ranges::merge(plan, more, std::back_inserter(both), {}, &Fault::at, &Fault::at);
  plan = std::move(both);
}

std::vector<Fault> plan_faults(const FaultMix& mix, int nodes, Duration length,
                               std::uint64_t seed) {
  std::vector<Fault> plan;
  if (mix.weights.empty()) return plan;
  std::mt19937_64 random(seed ^ 0xd1b54a32d192ed03);
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
  };
  int total = 0;
  for (const auto& [kind, weight] : mix.weights) total += weight;
  Duration at = milliseconds(below(10'000));  // sometimes while the cluster is founded
  while (at < length) {
    auto pick = static_cast<int>(below(total));
    std::size_t i = 0;
    while (pick >= mix.weights[i].second) pick -= mix.weights[i++].second;
    Fault fault;
    fault.kind = mix.weights[i].first;
    fault.at = at;
    // Mostly short; now and then longer than any ttl.
    const std::int64_t scale = below(8) == 0 ? 6 : 1;
    fault.lasts = milliseconds(1 + below(2 * to_ms(mix.mean_length) * scale));
    const std::int64_t whom = below(4);
    fault.node = whom == 0 ? kLeader : whom == 1 ? kReplica : static_cast<int>(below(nodes));
    fault.detail = random();
    plan.push_back(fault);
    at += milliseconds(1 + below(2 * to_ms(mix.mean_gap)));
  }
  return plan;
}

}  // namespace aurum::sim
