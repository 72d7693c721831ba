#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "model/cluster.h"
#include "runtime/clock.h"
#include "stack/bench_report.h"
#include "stack/bench_rest.h"
#include "stack/bench_run.h"
#include "stack/commands.h"
#include "stack/terminal.h"
#include "stack/versions.h"

namespace aurum::stack {

namespace {

double load_average() {
  double load = 0;
  return ::getloadavg(&load, 1) == 1 ? load : 0;
}

/// The line is in the file when this returns: whoever is killed next leaves it there.
bool keep(std::ofstream& out, const std::string& line) {
  return !out.is_open() || (out << line).flush().good();
}

Error cannot_write(const std::string& file) {
  return {Code::io, fmt::format("cannot write {}", file), {}};
}

BenchRecord settings_of(const FailoverOptions& options, std::string command) {
  BenchRecord record;
  record.command = std::move(command);
  record.began = model::iso8601(runtime::wall_now());
  record.clients = options.clients;
  record.rate = options.rate;
  record.sync = options.sync;
  record.failsafe = options.failsafe;
  record.through = options.through;
  record.heal_after_s = options.heal_after;
  record.load_begin = load_average();
  return record;
}

/// What has been measured so far.
void collect(BenchRecord& record, const std::vector<std::unique_ptr<Arm>>& arms) {
  record.agents.clear();
  record.runs.clear();
  for (const auto& arm : arms) {
    record.agents.push_back(arm->record());
    record.runs.insert(record.runs.end(), arm->runs().begin(), arm->runs().end());
  }
  record.load_end = load_average();
}

int print_report(const BenchRecord& record, bool markdown) {
  std::printf("\n%s", (markdown ? report_markdown(record) : report_text(record)).c_str());
  return record.cut_short ? 130 : 0;
}

int run_failover(const FailoverOptions& options, const std::string& command) {
  std::vector<Fault> faults;
  for (const auto& name : options.events) {
    auto fault = fault_from(name);
    if (!fault) return report(fault.error());
    faults.push_back(*fault);
  }
  std::ofstream document, lines;
  if (!options.json_file.empty()) {
    document.open(options.json_file);
    if (!document) return report(cannot_write(options.json_file));
  }
  if (!options.out_file.empty()) {
    lines.open(options.out_file, std::ios::app);
    if (!lines) return report(cannot_write(options.out_file));
  }
  Interrupts interrupts;  // before any thread is made: all of them inherit the mask
  Progress progress;
  BenchRecord record = settings_of(options, command);
  std::vector<std::unique_ptr<Arm>> arms;
  for (const auto& agent : options.agents) {
    progress.step(fmt::format("starting a cluster under {}", agent));
    auto started = Arm::start(agent, options);
    if (!started) {
      progress.broken();
      return report(started.error().within(agent));
    }
    arms.push_back(std::move(*started));
  }
  const auto versions = installed_versions(arms.front()->cluster(), 0);
  record.postgres = versions ? versions->postgres : "";
  record.etcd = arms.front()->cluster().observe().etcds.front().version;
  bool kept = keep(lines, begin_line(record));
  for (const auto& arm : arms) kept = kept && keep(lines, agent_line(arm->record()));

  const std::size_t total = static_cast<std::size_t>(options.runs) * faults.size() * arms.size();
  std::size_t done = 0;
  progress.step(fmt::format("{} events", total));
  for (int n = 1; n <= options.runs; ++n) {
    for (const Fault fault : faults) {
      for (auto& arm : arms) {
        if (interrupts.came() || !kept) break;
        const std::string& agent = arm->record().agent;
        progress.bar(done++, total,
                     fmt::format("{} {}", agent.substr(agent.rfind('/') + 1), to_string(fault)));
        arm->run(fault, n, seconds(options.heal_after), interrupts);
        if (interrupts.came()) {
          arm->forget_last_run();
        } else {
          arm->judge();
          kept = keep(lines, run_line(arm->runs().back()));
        }
      }
    }
  }
  if (!kept) {
    progress.broken();
    return report(cannot_write(options.out_file));
  }
  record.cut_short = interrupts.came();
  if (record.cut_short && arms.front()->runs().empty()) {
    progress.broken();
    std::printf("Interrupted; the clusters are stopped and removed.\n");
    return 130;
  }
  progress.step(record.cut_short ? "interrupted; reading all rows back" : "reading all rows back");
  for (auto& arm : arms) arm->judge();
  progress.finish();
  collect(record, arms);
  if (!keep(lines, end_line(record))) return report(cannot_write(options.out_file));
  if (!keep(document, to_json(record))) return report(cannot_write(options.json_file));
  return print_report(record, options.markdown);
}

int run_report(const std::string& file, bool markdown) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf()))
    return report({Code::io, fmt::format("cannot read {}", file), {}});
  const auto record = from_lines(text.str());
  if (!record) return report(record.error().within(file));
  print_report(*record, markdown);
  return 0;
}

/// "aurum bench failover -n 3 …", as it was typed but for the program's folder.
std::string command_of(int argc, char** argv) {
  std::string text = "aurum bench";
  for (int i = 1; i < argc; ++i) text += fmt::format(" {}", argv[i]);
  return text;
}

}  // namespace

int bench_main(int argc, char** argv) {
  FailoverOptions o;
  CLI::App app("Measures a cluster of its own, on free ports, removed at the end.", "aurum bench");
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  explain_failures(app, "aurum bench failover --help");
  app.footer(
      "Examples\n"
      "  aurum bench failover                                  every event, five times\n"
      "  aurum bench failover --events pg-kill,switchover -n 3\n"
      "  aurum bench failover --sync --out runs.jsonl          kept as it goes\n"
      "  aurum bench report runs.jsonl --markdown              the table of it\n"
      "  aurum bench failover --through haproxy\n"
      "  aurum bench failover --agent aurum --agent patroni    both, in turn\n"
      "  aurum bench failover --agent aurum@fast --failsafe    with heartbeats\n"
      "  aurum bench rest --agent aurum --agent patroni        REST and etcd\n"
      "  aurum bench rest --tls                                what an agent weighs");
  auto* failover = app.add_subcommand("failover", "how long writes stop, and whether any is lost");
  failover
      ->add_option("--events", o.events,
                   "pg-kill, switchover, node-kill, agent-kill,\nagent-stop, pg-freeze, "
                   "etcd-leader-kill (all)")
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
  failover
      ->add_option("--heal-after", o.heal_after,
                   "seconds for which an agent stays killed or\nstopped (60)")
      ->check(CLI::Range(2, 3600));
  failover->add_option("--json", o.json_file, "write all numbers to this file");
  failover->add_option("--out", o.out_file,
                       "append each run to this file when it is done, as\na line of JSON");
  failover->add_flag("--markdown", o.markdown, "the results as Markdown");
  std::string file;
  bool markdown = false;
  auto* read = app.add_subcommand("report", "the results in a file of failover --out");
  read->add_option("FILE", file, "of one bench, or of several alike")->required();
  read->add_flag("--markdown", markdown, "as Markdown");
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
  if (read->parsed()) return run_report(file, markdown);
  if (o.agents.empty()) o.agents = {"aurum"};
  return run_failover(o, command_of(argc, argv));
}

}  // namespace aurum::stack
