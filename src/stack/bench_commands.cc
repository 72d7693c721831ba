#include <algorithm>
#include <cstdio>
#include <fstream>
#include <future>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "stack/bench.h"
#include "stack/bench_rest.h"
#include "stack/commands.h"
#include "stack/door.h"
#include "stack/interrupts.h"
#include "stack/nap.h"
#include "stack/scratch.h"
#include "stack/terminal.h"
#include "stack/workload.h"

namespace aurum::stack {

namespace {

using json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> events = {"pg-kill",    "switchover", "node-kill",
                                     "agent-kill", "pg-freeze",  "etcd-leader-kill"};
  int runs = 5;
  int clients = 4;
  double rate = 200;
  std::vector<std::string> agents;
  int ttl = 0;
  bool sync = false;
  bool failsafe = false;
  std::string through = "libpq";
  std::string json_file;
};

/// One cluster under test: an agent command with its runs.
struct Arm {
  std::string label;
  std::unique_ptr<Scratch> scratch;
  std::unique_ptr<Door> door;
  std::unique_ptr<Workload> workload;
  Cost cost;
  std::vector<Run> runs;
  Verdict verdict;
  bool rows_read = true;  ///< false: no node let us read at the end
  Cluster& cluster() { return scratch->cluster(); }
};

bool wait_until(Interrupts& interrupts, Duration timeout, const std::function<bool()>& done) {
  const Instant until = runtime::now() + timeout;
  while (!done()) {
    if (runtime::now() >= until || interrupts.came()) return false;
    nap(milliseconds(20));
  }
  return true;
}

bool wait_healthy(Arm& arm, Interrupts& interrupts, Duration timeout) {
  return wait_until(interrupts, timeout, [&] { return arm.cluster().observe().healthy(); });
}

void inject(Cluster& cluster, Fault fault, std::size_t leader, std::size_t etcd) {
  switch (fault) {
    case Fault::pg_kill:
      cluster.kill(leader, Part::postgres);
      return;
    case Fault::node_kill:
      cluster.kill(leader, Part::node);
      return;
    case Fault::agent_kill:
      cluster.kill(leader, Part::agent);
      return;
    case Fault::pg_freeze:
      cluster.freeze(leader, Part::postgres);
      return;
    case Fault::etcd_leader_kill:
      cluster.kill_etcd(etcd);
      return;
    case Fault::switchover:
      return;  // asked for by REST, see run_fault
  }
}

Status heal(Cluster& cluster, Fault fault, std::size_t leader, std::size_t etcd) {
  if (fault == Fault::pg_freeze) cluster.thaw(leader, Part::postgres);
  if (fault == Fault::etcd_leader_kill) return cluster.start_etcd(etcd);
  return cluster.start_node(leader);
}

void note(Run& run, const std::string& text) { run.note += (run.note.empty() ? "" : "; ") + text; }

/// Heals, waits for health, and as a last resort gives the node an empty directory to be cloned
/// into.
void recover(Arm& arm, Run& run, std::size_t leader, std::size_t etcd, Interrupts& interrupts) {
  Cluster& cluster = arm.cluster();
  auto healed = heal(cluster, run.fault, leader, etcd);
  if (!healed) note(run, healed.error().message);
  if (wait_healthy(arm, interrupts, seconds(90)) || interrupts.came()) return;
  const View view = cluster.observe();
  note(run, fmt::format("no recovery in 90 s ({})", view.trouble));
  cluster.kill(leader, Part::node);
  // Its data may be thrown away only when another node leads and can be cloned from.
  const bool led_elsewhere = view.leader && *view.leader != leader;
  const Status wiped = led_elsewhere ? cluster.wipe_node(leader) : Status{};
  auto started = cluster.start_node(leader);
  if (!wiped || !started || !wait_healthy(arm, interrupts, seconds(60)))
    note(run, led_elsewhere ? "not even after a new clone" : "not even after its restart");
}

Run run_fault(Arm& arm, Fault fault, Interrupts& interrupts) {
  Run run;
  run.fault = fault;
  Cluster& cluster = arm.cluster();
  arm.workload->resume();
  if (!arm.workload->wait_for_write(runtime::now() + seconds(1), seconds(30)))
    note(run, "no writes before the event");
  const auto leader = cluster.leader();
  const auto etcd = cluster.etcd_leader();
  auto before = cluster.leader_key();
  if (!leader || !etcd || !before) {
    run.at = run.until = runtime::now();
    note(run, "no leader before the event");
    return run;
  }
  {
    const PhaseWatch watch(cluster, *before);
    nap(milliseconds(200));
    std::future<Status> asked;
    run.at = runtime::now();
    if (fault == Fault::switchover) {
      asked = std::async(std::launch::async, [&cluster] { return cluster.switchover(); });
    } else {
      inject(cluster, fault, *leader, *etcd);
    }
    if (moves_leader(fault)) {
      const Duration bound = seconds(cluster.plan().ttl + 15);
      if (!wait_until(interrupts, bound, [&] { return watch.seen().promoted.has_value(); })) {
        note(run, fmt::format("no other leader in {:.0f} s", to_seconds(bound)));
      }
    }
    if (asked.valid()) {
      auto answer = asked.get();
      if (!answer) note(run, answer.error().message);
    }
    if (!wait_until(interrupts, seconds(60),
                    [&] {
                      const auto last = arm.workload->history().last_acked();
                      return last && *last > run.at + milliseconds(1000);
                    }) &&
        fault != Fault::pg_freeze) {
      note(run, "no write in 60 s");
    }
    // A second primary must have the time to show itself.
    nap(milliseconds(1500));
    run.phases = watch.seen();
  }
  recover(arm, run, *leader, *etcd, interrupts);
  arm.workload->wait_for_write(runtime::now(), seconds(30));
  nap(milliseconds(500));
  run.until = runtime::now();
  arm.workload->pause();
  return run;
}

Status start_arm(Arm& arm, const Options& options) {
  auto scratch = Scratch::make();
  if (!scratch) return fail(scratch.error());
  arm.scratch = std::move(*scratch);
  Plan& plan = arm.scratch->plan();
  if (auto known = set_agent(plan, arm.label); !known) return known;
  if (options.ttl > 0) set_ttl(plan, options.ttl);
  plan.failsafe = options.failsafe;
  plan.sync = options.sync ? "on" : "off";
  const auto way = way_from(options.through);
  if (!way) return fail(way.error());
  const auto ports = plan_door(plan, *way);
  if (!ports) return fail(ports.error());
  const Instant began = runtime::now();
  auto started = arm.scratch->start(seconds(90));
  if (!started) return started;
  const Duration took = runtime::now() - began;
  arm.cost = measure_cost(arm.cluster(), seconds(3));
  arm.cost.zero_to_healthy = took;
  auto door = Door::open(arm.cluster(), *way, *ports);
  if (!door) return fail(door.error());
  arm.door = std::move(*door);
  // The door opens with its first check of the primary.
  nap(milliseconds(*way == Way::libpq ? 0 : 1500));
  auto workload = Workload::start(
      arm.cluster(),
      {.clients = options.clients, .rate = options.rate, .conninfo = arm.door->conninfo()});
  if (!workload) return fail(workload.error());
  arm.workload = std::move(*workload);
  arm.workload->pause();
  return {};
}

/// Outages and phases stay true when no node lets the rows be read at the end; then all of them
/// count as lost.
void judge_arm(Arm& arm) {
  arm.workload->stop();
  auto rows = read_rows(arm.cluster());
  arm.rows_read = rows.has_value();
  arm.verdict = judge(arm.workload->history(), rows ? *rows : std::set<std::int64_t>{});
  const auto acked = arm.workload->history().acknowledged();
  for (std::size_t i = 0; i < arm.runs.size(); ++i) {
    Run& run = arm.runs[i];
    run.outage = longest_gap(acked, run.at, run.until);
    // Below a tenth of a second the longest gap is the usual unevenness, and its end says nothing.
    if (run.outage >= milliseconds(100)) run.first_write = gap_end(acked, run.at, run.until);
    const Instant from = i == 0 ? Instant{0} : run.at;
    const Instant until = i + 1 < arm.runs.size() ? arm.runs[i + 1].at : kNever;
    auto within = [&](const std::vector<Acknowledged>& rows_found) {
      return static_cast<std::size_t>(
          std::count_if(rows_found.begin(), rows_found.end(),
                        [&](const Acknowledged& a) { return a.acked >= from && a.acked < until; }));
    };
    run.lost = within(arm.verdict.lost);
    run.second_writer = within(arm.verdict.second_writer);
  }
}

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const std::size_t mid = values.size() / 2;
  return values.size() % 2 == 1 ? values[mid] : (values[mid - 1] + values[mid]) / 2;
}

std::string number(std::optional<double> value) {
  return value ? fmt::format("{:.2f}", *value) : "-";
}

struct Summary {
  std::vector<double> outage, detect, acquire, promote, write;
  std::size_t runs = 0, lost = 0, second_writer = 0;
};

Summary summarise(const Arm& arm, Fault fault) {
  Summary s;
  for (const Run& run : arm.runs) {
    if (run.fault != fault) continue;
    ++s.runs;
    s.lost += run.lost;
    s.second_writer += run.second_writer;
    s.outage.push_back(to_seconds(run.outage));
    auto since = [&](std::vector<double>& to, const std::optional<Instant>& at) {
      if (at) to.push_back(to_seconds(*at - run.at));
    };
    since(s.detect, run.phases.detected);
    since(s.acquire, run.phases.acquired);
    since(s.promote, run.phases.promoted);
    since(s.write, run.first_write);
  }
  return s;
}

void print_results(const std::vector<Arm>& arms, const std::vector<Fault>& faults) {
  std::vector<std::vector<std::string>> rows = {{"EVENT", "AGENT", "N", "MIN", "MED", "MAX",
                                                 "DETECT", "ACQ", "PROM", "WRITE", "LOST", "2ND"}};
  for (const Fault fault : faults) {
    for (const Arm& arm : arms) {
      const Summary s = summarise(arm, fault);
      if (s.runs == 0) continue;
      const auto [low, high] = std::minmax_element(s.outage.begin(), s.outage.end());
      rows.push_back(
          {std::string(to_string(fault)), arm.label.substr(arm.label.rfind('/') + 1).substr(0, 13),
           std::to_string(s.runs), number(*low), number(median(s.outage)), number(*high),
           number(median(s.detect)), number(median(s.acquire)), number(median(s.promote)),
           number(median(s.write)), std::to_string(s.lost), std::to_string(s.second_writer)});
    }
  }
  std::printf("\n%s\n", table(rows, "").c_str());
  std::printf(
      "MIN MED MAX: write outage, seconds. DETECT ACQ PROM WRITE: median seconds from\n"
      "the event to the old leader's key gone or replaced, a new key, its owner\n"
      "primary, first write. LOST: acknowledged rows not there at the end. 2ND: rows\n"
      "acknowledged by a primary after a later one had begun to.\n\n");
  rows = {
      {"AGENT", "ZERO TO HEALTHY", "PSS OF AN AGENT", "IDLE CPU", "ACKNOWLEDGED", "LOST", "2ND"}};
  for (const Arm& arm : arms) {
    rows.push_back(
        {arm.label.substr(arm.label.rfind('/') + 1).substr(0, 20),
         fmt::format("{:.1f} s", to_seconds(arm.cost.zero_to_healthy)),
         fmt::format("{:.1f} MB", arm.cost.pss_mb), fmt::format("{:.1f} %", arm.cost.cpu_percent),
         std::to_string(arm.verdict.acknowledged), std::to_string(arm.verdict.lost.size()),
         std::to_string(arm.verdict.second_writer.size())});
  }
  std::printf("%s", table(rows, "").c_str());
  for (const Arm& arm : arms) {
    if (!arm.rows_read) {
      std::printf("note: %s: no node took writes at the end; all rows count as lost\n",
                  arm.label.c_str());
    }
    for (const Run& run : arm.runs) {
      if (run.note.empty()) continue;
      std::printf("note: %s, %s: %s\n", arm.label.c_str(),
                  std::string(to_string(run.fault)).c_str(), run.note.c_str());
    }
  }
}

json results_json(const std::vector<Arm>& arms, const Options& options) {
  json doc = {{"bench", "failover"},  {"clients", options.clients},   {"rate", options.rate},
              {"sync", options.sync}, {"failsafe", options.failsafe}, {"through", options.through}};
  for (const Arm& arm : arms) {
    json one = {{"agent", arm.label},
                {"ttl_s", arm.scratch->plan().ttl},
                {"zero_to_healthy_s", to_seconds(arm.cost.zero_to_healthy)},
                {"agent_pss_mb", arm.cost.pss_mb},
                {"idle_cpu_percent", arm.cost.cpu_percent},
                {"acknowledged", arm.verdict.acknowledged},
                {"lost", arm.verdict.lost.size()},
                {"second_writer", arm.verdict.second_writer.size()},
                {"resurrected", arm.verdict.resurrected.size()},
                {"rows_read", arm.rows_read}};
    for (const Run& run : arm.runs) {
      auto since = [&](const std::optional<Instant>& at) {
        return at ? json(to_seconds(*at - run.at)) : json(nullptr);
      };
      one["runs"].push_back({{"event", to_string(run.fault)},
                             {"outage_s", to_seconds(run.outage)},
                             {"detect_s", since(run.phases.detected)},
                             {"acquire_s", since(run.phases.acquired)},
                             {"promote_s", since(run.phases.promoted)},
                             {"first_write_s", since(run.first_write)},
                             {"lost", run.lost},
                             {"second_writer", run.second_writer},
                             {"note", run.note}});
    }
    doc["agents"].push_back(std::move(one));
  }
  return doc;
}

int run_bench(const Options& options) {
  std::vector<Fault> faults;
  for (const auto& name : options.events) {
    auto fault = fault_from(name);
    if (!fault) return report(fault.error());
    faults.push_back(*fault);
  }
  std::ofstream out;
  if (!options.json_file.empty()) {
    out.open(options.json_file);
    if (!out) return report({Code::io, fmt::format("cannot write {}", options.json_file), {}});
  }
  Interrupts interrupts;  // before any thread is made: all of them inherit the mask
  Progress progress;
  std::vector<Arm> arms(options.agents.size());
  for (std::size_t i = 0; i < arms.size(); ++i) {
    arms[i].label = options.agents[i];
    progress.step(fmt::format("starting a cluster under {}", arms[i].label));
    auto started = start_arm(arms[i], options);
    if (!started) {
      progress.broken();
      return report(started.error().within(arms[i].label));
    }
  }
  const std::size_t total = static_cast<std::size_t>(options.runs) * faults.size() * arms.size();
  std::size_t done = 0;
  progress.step(fmt::format("{} events", total));
  for (int n = 0; n < options.runs; ++n) {
    for (const Fault fault : faults) {
      for (Arm& arm : arms) {
        if (interrupts.came()) break;
        progress.bar(
            done++, total,
            fmt::format("{} {}", arm.label.substr(arm.label.rfind('/') + 1), to_string(fault)));
        Run run = run_fault(arm, fault, interrupts);
        if (!interrupts.came()) arm.runs.push_back(std::move(run));
      }
    }
  }
  const bool cut_short = interrupts.came();
  if (cut_short && arms.front().runs.empty()) {
    progress.broken();
    std::printf("Interrupted; the clusters are stopped and removed.\n");
    return 130;
  }
  progress.step(cut_short ? "interrupted; reading all rows back" : "reading all rows back");
  for (Arm& arm : arms) judge_arm(arm);
  progress.finish();
  print_results(arms, faults);
  if (out.is_open() && !(out << results_json(arms, options).dump(2) << '\n').flush()) {
    return report({Code::io, fmt::format("cannot write {}", options.json_file), {}});
  }
  return cut_short ? 130 : 0;
}

}  // namespace

int bench_main(int argc, char** argv) {
  Options o;
  CLI::App app("Measures a cluster of its own, on free ports, removed at the end.", "aurum bench");
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  explain_failures(app, "aurum bench failover --help");
  app.footer(
      "Examples\n"
      "  aurum bench failover                                  every event, five times\n"
      "  aurum bench failover --events pg-kill,switchover -n 3\n"
      "  aurum bench failover --sync --json numbers.json\n"
      "  aurum bench failover --through haproxy\n"
      "  aurum bench failover --agent aurum --agent patroni    both, in turn\n"
      "  aurum bench failover --agent aurum@fast --failsafe    with heartbeats\n"
      "  aurum bench rest --agent aurum --agent patroni        REST and etcd\n"
      "  aurum bench rest --tls                                what an agent weighs");
  auto* failover = app.add_subcommand("failover", "how long writes stop, and whether any is lost");
  failover
      ->add_option("--events", o.events,
                   "pg-kill, switchover, node-kill, agent-kill,\npg-freeze, etcd-leader-kill (all)")
      ->delimiter(',');
  failover->add_option("-n,--runs", o.runs, "how often each event (5)")->check(CLI::Range(1, 1000));
  failover->add_option("--clients", o.clients, "writing clients (4)")->check(CLI::Range(1, 64));
  failover->add_option("--rate", o.rate, "rows a second of all clients (200)")
      ->check(CLI::Range(1, 10000));
  failover->add_option("--agent", o.agents,
                       "aurum, aurum@fast, aurum@default (aurum.profile), or\nanother's command, "
                       "e.g. patroni, with its shortest times, or\npatroni@default; given several "
                       "times, they run\ninterleaved (aurum)");
  failover->add_option("--ttl", o.ttl, "seconds (5; 30 with @..., 20 for other agents)")
      ->check(CLI::Range(2, 3600));
  failover->add_flag("--sync", o.sync, "synchronous mode");
  failover->add_flag("--failsafe", o.failsafe, "failsafe mode");
  failover
      ->add_option("--through", o.through,
                   "how clients come to the primary: libpq,\nhaproxy or pgbouncer (libpq)")
      ->check(CLI::IsMember({"libpq", "haproxy", "pgbouncer"}));
  failover->add_option("--json", o.json_file, "write all numbers to this file");
  RestBenchOptions r;
  auto* rest = app.add_subcommand("rest", "answers a second, writes to etcd, memory of an agent");
  rest->add_option("--agent", r.agents, "as for failover; they are asked in turn (aurum)");
  rest->add_option("--seconds", r.seconds, "of asking, each round (5)")->check(CLI::Range(1, 3600));
  rest->add_option("-n,--rounds", r.rounds, "of each agent (3)")->check(CLI::Range(1, 1000));
  rest->add_option("--idle", r.idle_s, "seconds of counting writes to etcd (60)")
      ->check(CLI::Range(1, 3600));
  rest->add_flag("--tls", r.tls, "TLS on every link; only the memory is measured");
  rest->add_option("--json", r.json_file, "write all numbers to this file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (rest->parsed()) {
    if (r.agents.empty()) r.agents = {"aurum"};
    return run_rest_bench(r);
  }
  if (o.agents.empty()) o.agents = {"aurum"};
  return run_bench(o);
}

}  // namespace aurum::stack
