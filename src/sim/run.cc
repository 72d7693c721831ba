#include "sim/run.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/world.h"

namespace aurum::sim {

namespace {

/// What may have to run out one after another before somebody writes: leases, pauses after failed
/// promotions, starts; by the ttl in force.
Duration writer_bound(World& w) {
  // A restore that stands still is gone on with or undone by an operator who looks now and then.
  const Duration restores = w.store.view().restore ? seconds(120) : seconds(0);
  return 3 * w.ttl() + seconds(30) + restores;
}
/// And until everybody else streams from it: recoveries, rewinds and copies with their back-offs.
Duration health_bound(World& w) { return 3 * w.ttl() + seconds(90); }

void let_faults_happen(World& w, const std::vector<Fault>& plan, const RunOptions& options) {
  for (std::size_t i = 0; i < plan.size() && w.violations.empty(); ++i) {
    w.run_for((Instant{} + plan[i].at) - w.now());
    const auto& left_out = options.without;
    if (std::find(left_out.begin(), left_out.end(), static_cast<int>(i)) == left_out.end())
      w.inject(plan[i]);
  }
  if (w.violations.empty()) w.run_for((Instant{} + options.faulty) - w.now());
}

bool somebody_may_lead(World& w, std::uint32_t off) {
  return std::any_of(w.nodes().begin(), w.nodes().end(), [&](const Node* n) {
    return (off >> n->index & 1) == 0 && w.may_lead(*n, off);
  });
}

/// Some nodes that stay off at first, so that the others must do without them; 0 where these could
/// not be expected to.
std::uint32_t minority(World& w, std::uint64_t seed) {
  const auto all = w.nodes().size();
  if (seed % 3 != 0 || all < 3 || w.store.view().restore) return 0;
  std::uint32_t off = 0;
  for (std::size_t i = 0; i < (all - 1) / 2; ++i)
    off |= 1u << (seed / 3 + i * (1 + seed % 2)) % all;
  return somebody_may_lead(w, off) ? off : 0;
}

/// (c) and (d): with every fault undone there is a writer within the bound, and the cluster is
/// whole again.
void demand_recovery(World& w, const RunOptions& options, RunResult& result) {
  const std::uint32_t off = minority(w, options.seed);
  w.heal(off);
  const Instant healed = w.now();
  const auto wait_for = [&](const auto& holds, Duration bound, Rule rule, const char* what) {
    const bool came = w.run_until([&] { return !w.violations.empty() || holds(); }, bound);
    if (!came)
      w.violation(rule,
                  fmt::format("{} {} s after the last fault{}", what, to_seconds(w.now() - healed),
                              off != 0 ? ", a minority being off" : ""));
    return w.violations.empty();
  };
  // A late write of the one that is off may have made it the only one with every acknowledged row:
  // then nobody else may lead, and that is right.
  // Likewise when a disk that lied has forgotten so much that its node may not lead any more.
  const bool excusable = off != 0 || w.forgotten;
  const auto settled = [&] { return w.led() || (excusable && !somebody_may_lead(w, off)); };
  if (!wait_for(settled, writer_bound(w), Rule::recovery, "nobody leads as he should")) return;
  if (w.led()) result.writer_after = w.now() - healed;
  if (off != 0) w.heal();
  if (!w.led() && off == 0) {
    ++w.excused["lying_disk"];
    return;
  }
  const Instant all_on = w.now();
  const auto healthy = [&] { return w.healthy(); };
  if (!wait_for(healthy, health_bound(w), Rule::end_state, "not healthy")) return;
  result.healthy_after = w.now() - all_on;
}

std::vector<std::string> last_notes(World& w) {
  constexpr std::size_t kMost = 4;
  std::vector<std::string> lines;
  for (const Node* n : w.nodes()) {
    const std::size_t all = n->notes.size();
    for (std::size_t i = all < kMost ? 0 : all - kMost; i < all; ++i)
      lines.push_back(fmt::format("{} {:.3f} [{}] {}", n->name, to_seconds(n->noted[i] - Instant{}),
                                  n->notes[i].event, n->notes[i].text));
  }
  return lines;
}

}  // namespace

RunResult run(const RunOptions& options) {
  RunResult result;
  result.shape = shape_of(options.profile, options.seed);
  result.plan = plan_faults(options.faults, result.shape.nodes, options.faulty, options.seed);
  if (result.shape.standby)
    join_plans(result.plan, plan_faults(faults_of_standby_clusters(), result.shape.nodes,
                                        options.faulty, ~options.seed));
  if (result.shape.restore)
    join_plans(result.plan, plan_faults(faults_of_restores(), result.shape.nodes, options.faulty,
                                        ~options.seed / 3));
  World w({.nodes = result.shape.nodes,
           .seed = options.seed,
           .profile = result.shape.heartbeat,
           .dcs = result.shape.dcs(),
           .trace = options.trace,
           .fence = result.shape.fence,
           .archive = result.shape.archive,
           .drifting_clocks = options.seed % 2 == 0,
           .restart_agents = true});
  if (result.shape.last_may_not_lead) {
    model::Value& tags = w.nodes().back()->config.tags;
    if (!tags.is_object()) tags = model::Value::object();
    tags.set("nofailover", true);
  }
  if (result.shape.restore) w.take_backups();
  if (result.shape.standby) w.add_remote();
  if (result.shape.standby && !result.shape.founded_as_standby) w.let_remote_follow();
  for (Node* n : w.nodes()) w.start_agent(*n);
  let_faults_happen(w, result.plan, options);
  if (w.violations.empty()) demand_recovery(w, options, result);
  result.violations = w.violations;
  result.simulated = w.now() - Instant{};
  for (int kind = 0; kind < kFaultKinds; ++kind) {
    if (const int times = w.faults_begun[static_cast<std::size_t>(kind)]; times > 0)
      result.faults[std::string(name_of(static_cast<FaultKind>(kind)))] = times;
  }
  result.excused = w.excused;
  result.steps = w.steps;
  result.digest = w.digest;
  result.last_event = w.last_event();
  if (!w.violations.empty()) {
    result.story = w.describe();
    result.last_notes = last_notes(w);
  }
  result.trace = std::move(w.trace);
  result.failovers = w.failovers;
  result.acknowledged = w.acknowledged.size();
  return result;
}

}  // namespace aurum::sim
