// Faults by hand: end a member as a power cut would, and start it again.

#include <optional>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "stack/cluster.h"
#include "stack/nap.h"
#include "stack/stack_options.h"
#include "stack/terminal.h"

namespace aurum::stack {

namespace {

/// A name of the plan: which of its nodes or etcd members, or which door.
struct Named {
  std::optional<std::size_t> node, etcd;
  std::string door;
};

Result<Named> find_named(const Plan& plan, const std::string& name) {
  std::string known;
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    if (plan.nodes[i].name == name) return Named{.node = i};
    known += plan.nodes[i].name + ", ";
  }
  for (std::size_t i = 0; i < plan.etcds.size(); ++i) {
    if (plan.etcds[i].name == name) return Named{.etcd = i};
    known += plan.etcds[i].name + ", ";
  }
  for (const auto& door : door_names(plan)) {
    if (door == name) return Named{.door = door};
    known += door + ", ";
  }
  known.resize(known.size() - 2);
  return fail(Code::not_found, "this stack has no member " + name, "It has " + known + ".");
}

Part part_of(const std::string& text) {
  return text == "agent" ? Part::agent : text == "postgres" ? Part::postgres : Part::node;
}

const char* part_text(Part part) {
  switch (part) {
    case Part::agent:
      return "its agent alone; the guard ends PostgreSQL when the lease runs out";
    case Part::postgres:
      return "PostgreSQL alone; its agent deals with it";
    case Part::node:
      break;
  }
  return "agent, guard and PostgreSQL, as a power cut would";
}

Result<Named> victim(const Cluster& cluster, const StackOptions& options) {
  if (!options.node.empty()) return find_named(cluster.plan(), options.node);
  const auto leader = cluster.leader();
  if (leader) return Named{.node = *leader};
  return fail(Code::not_found, "no node leads at this moment",
              "Name the one to kill: `aurum stack status` lists them.");
}

/// Waits until the node leads or streams; the last that was seen of it.
NodeView await_node(const Cluster& cluster, std::size_t node, Duration timeout,
                    Progress& progress) {
  const Instant until = runtime::now() + timeout;
  for (;;) {
    const View view = cluster.observe();
    NodeView seen = view.nodes[node];
    // All of a healthy cluster stream, also under an agent that does not say so (Patroni
    // before 3.1).
    if (view.healthy() && seen.role == "replica") seen.streaming = true;
    if ((seen.answers && view.leader == node) || seen.streaming || runtime::now() >= until)
      return seen;
    progress.detail(seen.answers ? seen.state : "starting");
    nap(milliseconds(100));
  }
}

int kill(Cluster& cluster, const StackOptions& options) {
  const auto who = victim(cluster, options);
  if (!who) return report(who.error());
  if (!who->node && !options.part.empty())
    return report({Code::invalid, options.node + " has no parts", "Leave out --part."});
  const std::string name = who->node ? cluster.plan().nodes[*who->node].name : options.node;
  const bool leads = who->node && cluster.leader() == who->node;
  const Part part = part_of(options.part);
  const bool hit = who->node   ? cluster.kill(*who->node, part)
                   : who->etcd ? cluster.kill_etcd(*who->etcd)
                               : cluster.kill_door(who->door);
  if (!hit) {
    std::printf("Nothing to kill: %s does not run.\n", name.c_str());
    return 1;
  }
  std::printf("Killed %s%s%s%s.\n", name.c_str(), leads ? ", the leader" : "",
              who->node ? ": " : "", who->node ? part_text(part) : "");
  const std::string me = own_name();
  std::printf("  %s stack status    # who leads now\n", me.c_str());
  std::printf("  %s stack start %s    # bring it back\n", me.c_str(), name.c_str());
  return 0;
}

int stop(Cluster& cluster, const StackOptions& options) {
  const auto who = find_named(cluster.plan(), options.node);
  if (!who) return report(who.error());
  Progress progress;
  progress.step("stopping " + options.node);
  const Duration timeout = seconds(options.timeout);
  const Status stopped = who->node   ? cluster.stop_node(*who->node, timeout)
                         : who->etcd ? cluster.stop_etcd(*who->etcd, timeout)
                                     : cluster.stop_door(who->door, timeout);
  if (!stopped) {
    progress.broken();
    return report(stopped.error());
  }
  progress.finish();
  std::printf("%s is stopped.\n  %s stack start %s    # bring it back\n", options.node.c_str(),
              own_name().c_str(), options.node.c_str());
  return 0;
}

int start(Cluster& cluster, const StackOptions& options) {
  const auto who = find_named(cluster.plan(), options.node);
  if (!who) return report(who.error());
  if (!options.agent.empty() && !who->node)
    return report({Code::invalid, options.node + " has no agent", "Leave out --agent."});
  if (!options.agent.empty() && cluster.agent(*who->node))
    return report({Code::exists, options.node + " runs already",
                   "`aurum stack stop " + options.node + "` first."});
  Progress progress;
  progress.step("starting " + options.node);
  Status started = options.agent.empty()
                       ? cluster.prepare()
                       : cluster.change_agent(*who->node, agent_words(options.agent));
  if (started)
    started = who->node   ? cluster.start_node(*who->node)
              : who->etcd ? cluster.start_etcd(*who->etcd)
                          : cluster.start_door(who->door);
  if (!started) {
    progress.broken();
    return report(started.error());
  }
  if (!who->node) {
    progress.finish();
    std::printf("%s runs.\n", options.node.c_str());
    return 0;
  }
  progress.step("waiting for it to lead or to stream");
  const NodeView seen = await_node(cluster, *who->node, seconds(options.timeout), progress);
  if (!seen.streaming && seen.role != "primary") {
    progress.broken();
    return report({Code::timeout,
                   fmt::format("{} neither leads nor streams after {} s ({})", options.node,
                               options.timeout, seen.answers ? seen.state : "no answer"),
                   fmt::format("Its log says why: {}", cluster.log_of(options.node).string())});
  }
  progress.finish();
  std::printf("%s is back after %.1f s: %s.\n", options.node.c_str(), to_seconds(progress.total()),
              seen.streaming ? "a streaming replica" : "the leader");
  return 0;
}

}  // namespace

int on_stack(const StackOptions& options, int (*work)(Cluster&, const StackOptions&)) {
  auto cluster = Cluster::open(options.dir);
  if (!cluster) return report(cluster.error());
  const Lock lock(cluster->plan().dir / "lock");
  if (!lock.held()) return report(busy());
  return work(*cluster, options);
}

int run_kill(const StackOptions& options) { return on_stack(options, kill); }
int run_stop(const StackOptions& options) { return on_stack(options, stop); }
int run_start(const StackOptions& options) { return on_stack(options, start); }

}  // namespace aurum::stack
