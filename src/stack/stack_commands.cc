#include <algorithm>
#include <cstdio>
#include <iostream>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "stack/cluster.h"
#include "stack/commands.h"
#include "stack/stack_options.h"
#include "stack/terminal.h"

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

std::string role_text(const NodeView& n, bool leader) {
  if (!n.answers) return n.agent_alive ? "starting" : n.postgres_alive ? "no agent" : "down";
  if (leader) return "leader";
  return n.sync ? "sync replica" : n.role;
}

std::string lsn_text(std::uint64_t lsn) {
  return lsn == 0 ? "" : fmt::format("{:X}/{:X}", lsn >> 32U, lsn & 0xFFFFFFFFU);
}

void print_doors(const Cluster& cluster, const View& view) {
  if (view.doors.empty()) return;
  const DoorPlan& door = *cluster.plan().door;
  std::vector<std::vector<std::string>> rows = {
      {"DOOR", "PRIMARY", "REPLICAS", "STATISTICS", "STATE"}};
  for (const auto& d : view.doors) {
    const bool pooler = d.name == "pgbouncer";
    const auto at = [&](std::uint16_t port) { return fmt::format("{}:{}", door.host, port); };
    rows.push_back({d.name, at(pooler ? door.pooler : door.read_write),
                    pooler ? "" : at(door.read_only), pooler ? "" : at(door.statistics),
                    !d.alive            ? "down"
                    : pooler            ? "runs"
                    : d.primary.empty() ? "leads nowhere"
                                        : "leads to " + d.primary});
  }
  std::printf("%s\n", table(rows).c_str());
}

void print_tables(const Cluster& cluster, const View& view) {
  std::vector<std::vector<std::string>> rows = {
      {"NODE", "POSTGRESQL", "REST", "ROLE", "STATE", "TL", "LSN", ""}};
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    const auto& n = view.nodes[i];
    const auto& p = cluster.plan().nodes[i];
    rows.push_back({n.name, fmt::format("{}:{}", p.host, p.postgres_port),
                    std::to_string(p.rest_port), role_text(n, view.leader == i),
                    n.streaming && n.state == "running" ? "streaming" : n.state,
                    n.timeline > 0 ? std::to_string(n.timeline) : "", lsn_text(n.lsn), n.tag});
  }
  std::printf("%s\n", table(rows).c_str());
  rows = {{"ETCD", "CLIENTS", "STATE", "VERSION"}};
  for (std::size_t i = 0; i < view.etcds.size(); ++i) {
    const auto& e = view.etcds[i];
    const auto& p = cluster.plan().etcds[i];
    rows.push_back({e.name, fmt::format("{}:{}", p.host, p.client_port),
                    !e.alive     ? "down"
                    : !e.healthy ? "not healthy"
                    : e.leader   ? "healthy, leader"
                                 : "healthy",
                    e.version});
  }
  std::printf("%s\n", table(rows).c_str());
  print_doors(cluster, view);
}

/// What TLS needs on a line of its own.
std::string in_lines(std::string pairs) {
  if (const auto at = pairs.find(" sslmode="); at != std::string::npos)
    pairs.replace(at, 1, "\n        ");
  return pairs;
}

void print_connections(const Cluster& cluster) {
  const Plan& plan = cluster.plan();
  auto show = [&](const char* title, Access access) {
    std::printf("%s\n  psql '%s'\n", bold(title).c_str(),
                connection_pairs(plan, access, "        ").c_str());
  };
  std::printf("%s\n  export PGPASSFILE=%s\n", bold("Passwords").c_str(),
              (plan.dir / "pgpass").c_str());
  show("Read-write: wherever the leader is", Access::read_write);
  show("Read-only: a replica when there is one", Access::read_only);
  show("The first node that answers", Access::any);
  if (plan.door)
    std::printf("%s\n  psql '%s'\n", bold("Through HAProxy, to the primary").c_str(),
                in_lines(door_pairs(plan, Way::haproxy)).c_str());
  if (plan.door && plan.door->pooler != 0)
    std::printf("%s\n  psql '%s'\n", bold("Through PgBouncer").c_str(),
                in_lines(door_pairs(plan, Way::pgbouncer)).c_str());
  std::printf("URIs for programs: %s stack status --json\n\n", own_name().c_str());
}

void print_next(const Cluster& cluster, const View& view) {
  const std::size_t leader = view.leader.value_or(0);
  const auto& name = cluster.plan().nodes[leader].name;
  const auto id = cluster.postmaster(leader);
  const std::string me = own_name();
  const std::string ctl = cluster.plan().own_agent() ? me + " ctl" : "patronictl";
  std::printf("%s\n", bold("Try next").c_str());
  std::printf("  C=%s\n", cluster.config_of(leader).c_str());
  std::printf("  %s -c $C list\n", ctl.c_str());
  std::printf("  %s -c $C switchover\n", ctl.c_str());
  std::printf("  %s stack kill    # all of %s, the leader\n", me.c_str(), name.c_str());
  if (id) std::printf("  kill -9 %d    # or its PostgreSQL alone\n", id->pid);
  std::printf("  %s stack status    # what became of it\n", me.c_str());
  std::printf("  tail -f %s\n", cluster.log_of(name).c_str());
  std::printf("  %s stack down    # stops it, keeps the data\n", me.c_str());
}

Result<Plan> wanted_plan(const StackOptions& options) {
  auto plan = default_plan(options.dir, options.nodes, options.port_base);
  if (!plan) return plan;
  plan->agent = agent_words(options.agent);
  set_ttl(*plan, options.ttl > 0 ? options.ttl : plan->own_agent() ? 5 : 20);
  if (!options.sync.empty()) plan->sync = options.sync;
  // As the images have it.
  if (plan->own_agent() || !options.profile.empty())
    if (auto set = set_profile(*plan, options.profile.empty() ? "default" : options.profile); !set)
      return fail(set.error());
  plan->postgres_bin_dir = options.postgres;
  plan->tls = options.tls;
  plan->backup = options.backup;
  if (options.routing) plan->door = default_door(options.port_base);
  return plan;
}

/// An existing stack keeps what it was made with; an option that says otherwise must not be
/// swallowed.
Status same_as_made(const Plan& plan, const StackOptions& o, const CLI::App& up) {
  auto differs = [&](const char* option, bool differing) -> Status {
    if (up.count(option) == 0 || !differing) return {};
    return fail(Code::exists,
                fmt::format("{} differs from what the stack in {} was made with", option,
                            plan.dir.string()),
                "`aurum stack destroy` it first, or name another folder with --dir.");
  };
  auto wanted = wanted_plan(o);
  if (!wanted) return fail(wanted.error());
  auto same = differs("--nodes", wanted->nodes.size() != plan.nodes.size());
  if (same)
    same = differs("--port-base", wanted->nodes[0].postgres_port != plan.nodes[0].postgres_port);
  if (same) same = differs("--ttl", wanted->ttl != plan.ttl);
  if (same) same = differs("--sync", wanted->sync != plan.sync);
  if (same) same = differs("--agent", wanted->agent != plan.agent);
  if (same) same = differs("--pg-bin-dir", wanted->postgres_bin_dir != plan.postgres_bin_dir);
  if (same) same = differs("--profile", wanted->overrides != plan.overrides);
  if (same) same = differs("--tls", wanted->tls != plan.tls);
  if (same) same = differs("--backup", wanted->backup != plan.backup);
  if (same) same = differs("--routing", wanted->door.has_value() != plan.door.has_value());
  return same;
}

Result<Cluster> open_or_create(const StackOptions& options, const CLI::App& up) {
  auto cluster = Cluster::open(options.dir);
  if (cluster) {
    auto same = same_as_made(cluster->plan(), options, up);
    if (!same) return fail(same.error());
    return cluster;
  }
  if (cluster.error().code != Code::not_found) return cluster;
  auto plan = wanted_plan(options);
  if (!plan) return fail(plan.error());
  return Cluster::create(std::move(*plan));
}

Status bring_up(Cluster& cluster, const StackOptions& options, Progress& progress) {
  const Plan& plan = cluster.plan();
  progress.step("looking for programs and free ports");
  auto ready = cluster.prepare();
  if (ready) ready = cluster.check_ports();
  if (!ready) return ready;
  progress.step(fmt::format("starting {} etcd members", plan.etcds.size()));
  for (std::size_t i = 0; i < plan.etcds.size(); ++i) {
    auto started = cluster.start_etcd(i);
    if (!started) return started;
  }
  auto healthy = cluster.wait_etcd_healthy(seconds(60));
  if (!healthy) return healthy;
  // Before the nodes: who comes to lead finds somebody to tell.
  if (plan.door) {
    progress.step("starting HAProxy and PgBouncer");
    if (auto started = cluster.start_doors(); !started) return started;
  }
  progress.step(fmt::format("starting {} PostgreSQL nodes", plan.nodes.size()));
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    auto started = cluster.start_node(i);
    if (!started) return started;
  }
  progress.step("waiting for a leader");
  bool led = false;
  auto each = [&](const View& view) {
    if (view.leader && !led) {
      led = true;
      progress.step(
          fmt::format("{} leads; waiting for its replicas", view.nodes[*view.leader].name));
    }
    progress.detail(view.trouble);
  };
  healthy = cluster.wait_healthy(seconds(options.timeout), each);
  if (healthy) healthy = cluster.open_lookup();
  if (healthy) progress.finish();
  return healthy;
}

int run_up(const StackOptions& options, const CLI::App& command) {
  auto cluster = open_or_create(options, command);
  if (!cluster) return report(cluster.error());
  const Lock lock(cluster->plan().dir / "lock");
  if (!lock.held()) return report(busy());
  View view = cluster->observe();
  if (view.healthy()) {
    if (cluster->plan().door) {
      auto ready = cluster->prepare();
      if (ready) ready = cluster->start_doors();
      if (ready) ready = cluster->open_lookup();  // an `up` before may have been cut short
      if (!ready) return report(ready.error());
    }
    std::printf("The stack in %s is running already.\n\n", cluster->plan().dir.c_str());
  } else {
    std::printf("Stack in %s, as user %s\n", cluster->plan().dir.c_str(),
                cluster->account().name.c_str());
    Progress progress;
    auto up = bring_up(*cluster, options, progress);
    if (!up) {
      progress.broken();
      return report(up.error());
    }
    std::printf("Up and healthy in %.1f s.\n\n", to_seconds(progress.total()));
    view = cluster->observe();
  }
  print_tables(*cluster, view);
  print_connections(*cluster);
  print_next(*cluster, view);
  return 0;
}

Status bring_down(Cluster& cluster, const StackOptions& options, Progress& progress) {
  const View view = cluster.observe();
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    if (view.leader != i) order.push_back(i);
  }
  if (view.leader) order.push_back(*view.leader);
  Status result;
  for (const auto& door : view.doors) {
    if (!door.alive) continue;
    progress.step(fmt::format("stopping {}", door.name));
    auto stopped = cluster.stop_door(door.name);
    if (!stopped) result = stopped;
  }
  for (const auto i : order) {
    if (cluster.processes(i, Part::node).empty()) continue;
    const bool leads = view.leader == i;
    progress.step(fmt::format("stopping {}{}", view.nodes[i].name, leads ? ", the leader" : ""));
    auto stopped = cluster.stop_node(i, seconds(options.timeout));
    if (!stopped) {
      progress.broken();
      result = stopped;
    }
  }
  for (std::size_t i = 0; i < view.etcds.size(); ++i) {
    if (!view.etcds[i].alive) continue;
    progress.step(fmt::format("stopping {}", view.etcds[i].name));
    auto stopped = cluster.stop_etcd(i);
    if (!stopped) result = stopped;
  }
  progress.finish();
  return result;
}

int run_down(const StackOptions& options) {
  auto cluster = Cluster::open(options.dir);
  if (!cluster) return report(cluster.error());
  const Lock lock(cluster->plan().dir / "lock");
  if (!lock.held()) return report(busy());
  if (!cluster->observe().anything_alive()) {
    std::printf("The stack in %s is not running.\n", cluster->plan().dir.c_str());
    return 0;
  }
  Progress progress;
  auto down = bring_down(*cluster, options, progress);
  if (!down) return report(down.error());
  std::printf("Down in %.1f s; the data stays in %s.\n", to_seconds(progress.total()),
              cluster->plan().dir.c_str());
  return 0;
}

int run_destroy(const StackOptions& options) {
  auto cluster = Cluster::open(options.dir);
  if (!cluster && cluster.error().code == Code::not_found) {
    std::printf("There is no stack in %s.\n", options.dir.c_str());
    return 0;
  }
  if (!cluster) return report(cluster.error());
  if (!options.yes) {
    if (::isatty(0) == 0) {
      return report(
          {Code::invalid, "destroy removes all data of the stack", "Say --yes when you mean it."});
    }
    std::printf("This stops the stack and removes all its data in %s.\nType yes to go on: ",
                cluster->plan().dir.c_str());
    std::fflush(stdout);
    std::string answer;
    if (!std::getline(std::cin, answer) || answer != "yes") {
      std::printf("Nothing was changed.\n");
      return 1;
    }
  }
  const Lock lock(cluster->plan().dir / "lock");
  if (!lock.held()) return report(busy());
  Progress progress;
  auto down = bring_down(*cluster, options, progress);
  if (!down) std::fprintf(stderr, "error: %s\n", down.error().message.c_str());
  progress.step("removing its files");
  cluster->kill_everything();
  auto gone = cluster->destroy();
  if (!gone) {
    progress.broken();
    return report(gone.error());
  }
  progress.finish();
  if (fs::exists(options.dir)) {
    std::printf("%s holds other files and stays.\n", options.dir.c_str());
  } else {
    std::printf("%s is gone.\n", options.dir.c_str());
  }
  return 0;
}

std::string status_json(const Cluster& cluster, const View& view) {
  nlohmann::ordered_json doc = {
      {"dir", cluster.plan().dir.string()},
      {"scope", cluster.plan().scope},
      {"healthy", view.healthy()},
      {"trouble", view.trouble},
      {"leader", view.leader ? nlohmann::ordered_json(view.nodes[*view.leader].name)
                             : nlohmann::ordered_json(nullptr)}};
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    const auto& n = view.nodes[i];
    const auto& p = cluster.plan().nodes[i];
    const auto agent = cluster.agent(i);
    const auto postmaster = cluster.postmaster(i);
    doc["nodes"].push_back({{"name", n.name},
                            {"host", p.host},
                            {"postgres_port", p.postgres_port},
                            {"rest_port", p.rest_port},
                            {"role", role_text(n, view.leader == i)},
                            {"state", n.state},
                            {"timeline", n.timeline},
                            {"lsn", n.lsn},
                            {"agent_pid", agent ? agent->pid : 0},
                            {"postmaster_pid", postmaster ? postmaster->pid : 0},
                            {"config", cluster.config_of(i).string()},
                            {"log", cluster.log_of(n.name).string()}});
  }
  for (std::size_t i = 0; i < view.etcds.size(); ++i) {
    const auto& e = view.etcds[i];
    const auto& p = cluster.plan().etcds[i];
    doc["etcd"].push_back({{"name", e.name},
                           {"host", p.host},
                           {"client_port", p.client_port},
                           {"peer_port", p.peer_port},
                           {"healthy", e.healthy},
                           {"leader", e.leader},
                           {"version", e.version}});
  }
  for (const auto& d : view.doors) {
    const auto id = cluster.door(d.name);
    doc["doors"].push_back({{"name", d.name},
                            {"pid", id ? id->pid : 0},
                            {"primary", d.primary},
                            {"log", cluster.log_of(d.name).string()}});
  }
  doc["passfile"] = (cluster.plan().dir / "pgpass").string();
  doc["connection"] = {{"read_write", connection_string(cluster.plan(), Access::read_write)},
                       {"read_only", connection_string(cluster.plan(), Access::read_only)},
                       {"any", connection_string(cluster.plan(), Access::any)}};
  for (const auto& d : view.doors)
    doc["connection"][d.name] = door_pairs(cluster.plan(), way_from(d.name).value());
  return doc.dump(2);
}

void describe_upgrade(CLI::App& command, StackOptions& options) {
  command.add_flag("--force", options.force, "also the nodes that run them already");
  command.add_flag("--json", options.json, "for programs: what was done, at the end");
  command.add_option("--timeout", options.timeout, "seconds for each to stream again (120)")
      ->check(CLI::Range(1, 3600));
  command.footer(
      "A minor release of PostgreSQL, or a newer aurum: replicas first, one after\n"
      "the other; then a switchover; then the former leader. It stops at the first\n"
      "trouble, and when called again goes on where it stopped. etcd, HAProxy and\n"
      "PgBouncer stay as they are.\n"
      "\n"
      "Examples\n"
      "  apt-get install --only-upgrade postgresql-15 && aurum stack upgrade\n"
      "  aurum stack upgrade --force    restart all, as for a newer OpenSSL");
}

int run_status(const StackOptions& options) {
  auto cluster = Cluster::open(options.dir);
  if (!cluster) return report(cluster.error());
  const View view = cluster->observe();
  if (options.json) {
    std::printf("%s\n", status_json(*cluster, view).c_str());
    return view.healthy() ? 0 : 3;
  }
  std::printf("Stack in %s: %s\n\n", cluster->plan().dir.c_str(),
              view.healthy()           ? "healthy"
              : !view.anything_alive() ? "not running"
                                       : view.trouble.c_str());
  print_tables(*cluster, view);
  if (view.anything_alive()) print_connections(*cluster);
  return view.healthy() ? 0 : 3;
}

}  // namespace

int stack_main(int argc, char** argv) {
  StackOptions o;
  o.dir = default_dir();
  CLI::App app(
      "A whole cluster of real processes on this machine: three PostgreSQL nodes\n"
      "under their agents and three etcd members, on loopback only.",
      "aurum stack");
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  explain_failures(app, "aurum stack --help");
  app.footer(
      "A first failover by hand\n"
      "  aurum stack up\n"
      "  aurum stack kill               SIGKILL to all of the leader's node\n"
      "  aurum stack status             somebody else leads\n"
      "  aurum stack start node-1       the killed one rejoins\n"
      "\n"
      "More of them\n"
      "  aurum stack kill --part postgres          PostgreSQL alone\n"
      "  aurum stack kill node-2 --part agent      the agent alone\n"
      "  aurum stack kill etcd-1                   an etcd member\n"
      "  aurum stack kill haproxy                  of a stack made with --routing\n"
      "  aurum stack stop node-2                   in order, without a failure\n"
      "  aurum stack scale 5                       two replicas more\n"
      "  aurum stack upgrade                       onto what is installed now\n"
      "  aurum stack start node-2 --agent patroni  and on under another agent\n"
      "  aurum stack up --dir /tmp/s2 --port-base 15432    a second stack");
  auto dir_option = [&](CLI::App* sub) {
    sub->add_option("--dir", o.dir, "its folder; $AURUM_STACK_DIR");
    return sub;
  };
  auto* up = dir_option(app.add_subcommand("up", "bring it up; make it first when there is none"));
  up->add_option("--nodes", o.nodes, "PostgreSQL nodes, 1 to 7 (3)");
  up->add_option(
        "--port-base", o.port_base,
        "move all ports: N.. PostgreSQL, N+10.. REST,\nN+20.. etcd, N+30.. HAProxy, N+34 PgBouncer")
      ->envname("AURUM_STACK_PORT_BASE");
  up->add_option("--ttl", o.ttl, "seconds until a lease is over (5)");
  up->add_option("--profile", o.profile,
                 "how soon a lost node is replaced: fast (1.25 s),\ndefault (3 s), patroni (ttl)");
  up->add_option("--sync", o.sync, "off, on, strict or quorum (off)");
  up->add_flag("--tls", o.tls, "TLS on every link, plain connections refused");
  up->add_flag("--backup", o.backup, "with a pgBackRest repository");
  up->add_flag("--routing", o.routing, "with HAProxy and PgBouncer, as in the images");
  up->add_option("--agent", o.agent, "another agent, such as patroni");
  up->add_option("--pg-bin-dir", o.postgres, "where postgres is (newest installed)");
  up->add_option("--timeout", o.timeout, "seconds to wait for health (120)")
      ->check(CLI::Range(1, 3600));
  auto* down = dir_option(app.add_subcommand("down", "stop it, keep the data"));
  down->add_option("--timeout", o.timeout, "seconds a node may take to stop (120)")
      ->check(CLI::Range(1, 3600));
  auto* status = dir_option(app.add_subcommand("status", "show it; exit 0 healthy, 3 not"));
  status->add_flag("--json", o.json, "for programs");
  auto* kill = dir_option(app.add_subcommand("kill", "SIGKILL a node, as a power cut would"));
  kill->add_option("NODE", o.node, "node-1, etcd-1, haproxy, ... (the leader)");
  kill->add_option("--part", o.part, "agent, postgres, or the whole node (node)")
      ->check(CLI::IsMember({"agent", "postgres", "node"}));
  auto* stop = dir_option(app.add_subcommand("stop", "stop a node in order; a leader hands over"));
  stop->add_option("NODE", o.node, "node-1, etcd-1, haproxy, ...")->required();
  stop->add_option("--timeout", o.timeout, "seconds it may take to stop (120)")
      ->check(CLI::Range(1, 3600));
  auto* start = dir_option(app.add_subcommand("start", "start a node again, see it rejoin"));
  start->add_option("NODE", o.node, "node-1, etcd-1, haproxy, ...")->required();
  start->add_option("--agent", o.agent, "from now on under this agent: aurum, patroni");
  start->add_option("--timeout", o.timeout, "seconds it may take to rejoin (120)")
      ->check(CLI::Range(1, 3600));
  auto* scale = dir_option(app.add_subcommand("scale", "add replicas, or take some away"));
  scale->add_option("NODES", o.nodes, "how many PostgreSQL nodes there shall be")
      ->required()
      ->check(CLI::Range(1, 7));
  scale->add_option("--timeout", o.timeout, "seconds for each to stream (120)")
      ->check(CLI::Range(1, 3600));
  auto* upgrade =
      dir_option(app.add_subcommand("upgrade", "restart, node by node, what runs former programs"));
  describe_upgrade(*upgrade, o);
  auto* destroy = dir_option(app.add_subcommand("destroy", "stop it and remove all it made"));
  destroy->add_flag("--yes", o.yes, "do not ask");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  o.dir = fs::absolute(o.dir).lexically_normal();
  if (up->parsed()) return run_up(o, *up);
  if (down->parsed()) return run_down(o);
  if (destroy->parsed()) return run_destroy(o);
  if (kill->parsed()) return run_kill(o);
  if (stop->parsed()) return run_stop(o);
  if (start->parsed()) return run_start(o);
  if (scale->parsed()) return run_scale(o);
  if (upgrade->parsed()) return run_upgrade(o);
  return run_status(o);
}

}  // namespace aurum::stack
