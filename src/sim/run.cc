#include "sim/run.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/world.h"

namespace aurum::sim {

namespace {

/// Whoever is to write again after the last fault: the longest of what may have to run out, one
/// after another (a lease, a pause after failed promotions, a start), by the profile's spans.
Duration recovery_bound(const Shape&) { return seconds(150); }

void let_faults_happen(World& w, const std::vector<Fault>& plan, const RunOptions& options) {
  for (std::size_t i = 0; i < plan.size() && w.violations.empty(); ++i) {
    w.run_for((Instant{} + plan[i].at) - w.now());
    const auto& left_out = options.without;
    if (std::find(left_out.begin(), left_out.end(), static_cast<int>(i)) == left_out.end())
      w.inject(plan[i]);
  }
  if (w.violations.empty()) w.run_for((Instant{} + options.faulty) - w.now());
}

/// (c) and (d): with every fault undone the cluster is whole again.
void demand_recovery(World& w, const Shape& shape) {
  w.heal();
  const Duration bound = recovery_bound(shape);
  if (w.run_until([&] { return !w.violations.empty() || w.healthy(); }, bound)) return;
  w.violation(w.writer() == nullptr ? Rule::recovery : Rule::end_state,
              fmt::format("not healthy {} s after the last fault", to_seconds(bound)));
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
  World w({.nodes = result.shape.nodes,
           .seed = options.seed,
           .dcs = result.shape.dcs(),
           .trace = options.trace,
           .fence = options.fence,
           .drifting_clocks = options.seed % 2 == 0,
           .restart_agents = true});
  if (result.shape.last_may_not_lead) {
    model::Value& tags = w.nodes().back()->config.tags;
    if (!tags.is_object()) tags = model::Value::object();
    tags.set("nofailover", true);
  }
  for (Node* n : w.nodes()) w.start_agent(*n);
  let_faults_happen(w, result.plan, options);
  if (w.violations.empty()) demand_recovery(w, result.shape);
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
