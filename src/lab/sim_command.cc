#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "lab/campaign.h"
#include "lab/commands.h"
#include "lab/report.h"
#include "lab/shrink.h"
#include "lab/trace.h"

namespace aurum::lab {

namespace {

struct Options {
  std::string seeds = "1..1000";
  std::string seed;
  std::string profile = "mixed";
  std::string faults = "default";
  double minutes = 1;
  int jobs = 0;
  std::vector<int> without;
  bool shrink = false;
  std::string trace;
  bool json = false;
};

int wrong(const Error& error) {
  std::fprintf(stderr, "error: %s\nhint: %s\n", error.message.c_str(),
               error.hint.empty() ? "aurum sim --help" : error.hint.c_str());
  return 2;
}

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (bad != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// "1..1000", or one number N for 1..N.
Result<std::pair<std::uint64_t, std::uint64_t>> parse_seeds(const std::string& text) {
  const auto dots = text.find("..");
  const auto first = dots == std::string::npos ? 1 : number(text.substr(0, dots));
  const auto last = number(dots == std::string::npos ? text : text.substr(dots + 2));
  if (!first || !last || *first == 0 || *last < *first)
    return fail(Code::invalid, fmt::format("'{}' is no range of seeds", text),
                "as in --seeds 1..1000");
  return std::pair(*first, *last);
}

Result<sim::RunOptions> run_options(const Options& o) {
  sim::RunOptions options;
  const auto profile = sim::parse_profile(o.profile);
  if (!profile) return fail(profile.error());
  const auto faults = sim::parse_faults(o.faults);
  if (!faults) return fail(faults.error());
  options.profile = *profile;
  options.faults = *faults;
  options.faulty = milliseconds(static_cast<std::int64_t>(o.minutes * 60'000));
  options.without = o.without;
  return options;
}

/// One seed, told in full.
int run_one(sim::RunOptions options, const Options& o) {
  const auto seed = number(o.seed);
  if (!seed) return wrong({Code::invalid, fmt::format("'{}' is no seed", o.seed), {}});
  options.seed = *seed;
  options.trace = !o.trace.empty() && !o.shrink;
  sim::RunResult result = sim::run(options);
  for (const int left_out : options.without) {
    if (left_out >= 0 && left_out < static_cast<int>(result.plan.size())) continue;
    return wrong({Code::invalid,
                  fmt::format("--without {}: the plan of seed {} has {} faults, from 0 on",
                              left_out, options.seed, result.plan.size()),
                  {}});
  }
  if (o.shrink && !result.violations.empty()) {
    const auto before = result.plan.size() - options.without.size();
    options = shrink(options, result);
    options.trace = !o.trace.empty();
    result = sim::run(options);
    if (!o.json)
      std::printf("shrunk from %zu faults to %zu\n", before,
                  result.plan.size() - options.without.size());
  }
  std::fputs((o.json ? run_json(options, result) : run_report(options, result)).c_str(), stdout);
  if (!o.json) std::printf("replay: %s\n", replay_command(options).c_str());
  if (!o.trace.empty()) {
    if (const auto written = write_trace(o.trace, options, result); !written) {
      std::fprintf(stderr, "error: %s\n", written.error().text().c_str());
      return 1;
    }
    if (!o.json) std::printf("trace: aurum explain %s\n", o.trace.c_str());
  }
  return result.violations.empty() ? 0 : 1;
}

std::string last_lines(const sim::RunResult& result) {
  std::string text;
  for (const auto& line : result.last_notes) text += "    " + line + "\n";
  return text;
}

/// What a failed seed of many says; the whole story comes with its replay.
void tell_failure(const sim::RunOptions& failed, bool smaller) {
  sim::RunOptions options = failed;
  sim::RunResult result = sim::run(options);
  if (smaller) {
    options = shrink(options, result);
    result = sim::run(options);
  }
  if (result.violations.empty()) {
    std::printf("seed %llu failed, and its replay did not: it is no pure function of its seed\n",
                static_cast<unsigned long long>(options.seed));
    return;
  }
  std::printf("\nseed %llu, %s\n  broken: %s\n%s  replay: %s\n",
              static_cast<unsigned long long>(options.seed), result.shape.text().c_str(),
              to_string(result.violations.front()).c_str(), last_lines(result).c_str(),
              replay_command(options).c_str());
}

int run_many(const sim::RunOptions& options, const Options& o) {
  const auto seeds = parse_seeds(o.seeds);
  if (!seeds) return wrong(seeds.error());
  Campaign campaign{.first = seeds->first, .last = seeds->second, .options = options};
  campaign.jobs =
      o.jobs > 0 ? o.jobs : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const Totals totals = run_campaign(campaign, [&](const Totals& t) {
    if (terminal) std::fprintf(stderr, "\r\033[K%s", progress_line(campaign, t).c_str());
    return true;
  });
  if (terminal) std::fputs("\r\033[K", stderr);
  std::fputs((o.json ? totals_json(campaign, totals) : totals_table(totals)).c_str(), stdout);
  if (!o.json) {
    std::fflush(stdout);
    for (std::size_t i = 0; i < std::min<std::size_t>(totals.failed.size(), 3); ++i)
      tell_failure(totals.failed[i], o.shrink);
    for (std::size_t i = 3; i < totals.failed.size(); ++i)
      std::printf("  replay: %s\n", replay_command(totals.failed[i]).c_str());
  }
  return totals.failed.empty() ? 0 : 1;
}

}  // namespace

int sim_main(int argc, char** argv) {
  Options o;
  CLI::App app("Runs the decisions of aurum through simulated clusters and their faults.",
               "aurum sim");
  app.get_formatter()->column_width(26);
  app.failure_message([](const CLI::App*, const CLI::Error& e) {
    return fmt::format("error: {}\nhint: aurum sim --help\n", e.what());
  });
  app.footer(
      "Exit code: 0 no rule was broken, 1 one was, 2 wrong usage.\n\n"
      "Examples\n"
      "  aurum sim                                    1000 seeds of everything\n"
      "  aurum sim --seeds 1..20000 --profile sync --faults storm\n"
      "  aurum sim --seed 7 --trace 7.trace           one run, told in full\n"
      "  aurum explain 7.trace --html 7.html\n"
      "  aurum sim --seed 7 --shrink                  its fewest faults that still fail\n");
  auto* seeds = app.add_option("--seeds", o.seeds, "FIRST..LAST, or a number of them (1..1000)");
  auto* seed = app.add_option("--seed", o.seed, "this one alone")->excludes(seeds);
  app.add_option(
      "--profile", o.profile,
      "mixed, or parts: async, sync, strict, quorum;\nfast, default, patroni; a number of "
      "nodes;\narchive; fence; failsafe; heartbeat; standby.\nAs in sync-fast-3 (mixed)");
  app.add_option("--faults", o.faults,
                 "none, default, network, store, processes,\ndisk, operators, storm (default)");
  app.add_option("--minutes", o.minutes, "how long faults happen, simulated (1)")
      ->check(CLI::Range(0.05, 1440.0));
  app.add_option("--jobs", o.jobs, "threads (all cores)")->check(CLI::Range(1, 256));
  app.add_option("--without", o.without, "leave these faults of the plan out")
      ->delimiter(',')
      ->needs(seed);
  app.add_flag("--shrink", o.shrink, "look for fewer faults that still fail");
  app.add_option("--trace", o.trace, "write what happened to this file")->needs(seed);
  app.add_flag("--json", o.json, "print the result as JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto options = run_options(o);
  if (!options) return wrong(options.error());
  return seed->count() > 0 ? run_one(*options, o) : run_many(*options, o);
}

}  // namespace aurum::lab
