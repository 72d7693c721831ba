// `aurum stack scale N`: replicas are added and taken away while the cluster serves.

#include <fmt/format.h>

#include "stack/cluster.h"
#include "stack/stack_options.h"
#include "stack/terminal.h"

namespace aurum::stack {

namespace {

Status widen(Cluster& cluster, Duration timeout, Progress& progress) {
  auto done = cluster.add_node();
  if (!done) return done;
  const auto& name = cluster.plan().nodes.back().name;
  progress.step(fmt::format("adding {}", name));
  done = cluster.start_node(cluster.plan().nodes.size() - 1);
  if (done)
    done = cluster.wait_healthy(timeout, [&](const View& view) { progress.detail(view.trouble); });
  if (done) done = cluster.start_doors();
  return done;
}

/// The last one that does not lead: nobody has to hand over.
Status narrow(Cluster& cluster, Duration timeout, Progress& progress) {
  const auto leader = cluster.leader();
  std::size_t victim = cluster.plan().nodes.size() - 1;
  if (leader == victim) --victim;
  progress.step(fmt::format("taking {} away", cluster.plan().nodes[victim].name));
  auto done = cluster.stop_node(victim, timeout);
  if (done) done = cluster.remove_node(victim);
  if (done) done = cluster.start_doors();
  if (done) done = cluster.wait_healthy(timeout);
  return done;
}

int scale(Cluster& cluster, const StackOptions& options) {
  const auto wanted = static_cast<std::size_t>(options.nodes);
  if (!cluster.observe().anything_alive())
    return report({Code::unavailable, "the stack is not running", "`aurum stack up` starts it."});
  const std::size_t before = cluster.plan().nodes.size();
  Progress progress;
  Status done = cluster.prepare();
  // A new replica copies the leader, and none may be missed when one goes.
  if (done && !cluster.observe().healthy()) {
    progress.step("waiting until all is healthy");
    done = cluster.wait_healthy(seconds(options.timeout),
                                [&](const View& view) { progress.detail(view.trouble); });
  }
  while (done && cluster.plan().nodes.size() < wanted)
    done = widen(cluster, seconds(options.timeout), progress);
  while (done && cluster.plan().nodes.size() > wanted)
    done = narrow(cluster, seconds(options.timeout), progress);
  if (!done) {
    progress.broken();
    return report(done.error());
  }
  progress.finish();
  if (before == wanted)
    std::printf("The stack has %zu nodes already.\n", wanted);
  else
    std::printf("%zu nodes instead of %zu after %.1f s.\n", wanted, before,
                to_seconds(progress.total()));
  return 0;
}

}  // namespace

int run_scale(const StackOptions& options) { return on_stack(options, scale); }

}  // namespace aurum::stack
