// aurum-sim-mutants: runs of a known-wrong core, by hand.
//
//   aurum-sim-mutants                        the list
//   aurum-sim-mutants NAME [SEEDS [FIRST [PROFILE FAULTS]]]
//                        the first of these seeds that catches it, and how; "none": the true core,
//                        --all: every one, in a line each

#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "sim/mutants/mutants.h"
#include "sim/run.h"

namespace aurum::sim {
namespace {

void list() {
  for (const Mutant& m : all_mutants()) {
    fmt::print("{:<32} {:>4} {:<22} {}\n", m.name, m.scenario.empty() ? m.seeds : 1,
               m.scenario.empty() ? fmt::format("{}, {}", m.profile, m.faults) : m.scenario,
               m.breaks);
  }
}

/// The first seed that catches it; 0: none.
int hunt(const Mutant& m, int first, int seeds, bool tell) {
  choose_mutant(m.name);
  for (int seed = first; seed < first + seeds; ++seed) {
    const RunResult result = run({.seed = static_cast<std::uint64_t>(seed),
                                  .profile = *parse_profile(m.profile),
                                  .faults = *parse_faults(m.faults)});
    if (result.violations.empty()) continue;
    fmt::print("{}: seed {}, {}: {}\n", m.name, seed, result.shape.text(),
               to_string(result.violations.front()));
    if (tell) fmt::print("{}", result.story);
    return seed;
  }
  fmt::print("{}: not caught by {} seeds\n", m.name, seeds);
  return 0;
}

}  // namespace
}  // namespace aurum::sim

int main(int argc, char** argv) {
  using namespace aurum::sim;
  const std::string what = argc > 1 ? argv[1] : "";
  const int seeds = argc > 2 ? std::atoi(argv[2]) : 0;
  const int first = argc > 3 ? std::atoi(argv[3]) : 1;
  const std::string_view profile = argc > 4 ? argv[4] : "", faults = argc > 5 ? argv[5] : "";
  if (what.empty()) {
    list();
    return 0;
  }
  if (what == "none") {
    const Mutant none{.name = "",
                      .breaks = "",
                      .profile = profile.empty() ? "mixed" : profile,
                      .faults = faults.empty() ? "default" : faults,
                      .seeds = 1};
    return hunt(none, first, seeds, true) == 0 ? 0 : 1;
  }
  bool known = false, all_caught = true;
  for (Mutant m : all_mutants()) {
    if ((what != "--all" && what != m.name) || (!m.scenario.empty() && faults.empty())) continue;
    if (!profile.empty()) m.profile = profile;
    if (!faults.empty()) m.faults = faults;
    known = true;
    all_caught &= hunt(m, first, seeds > 0 ? seeds : m.seeds, what != "--all") != 0;
    std::fflush(stdout);
  }
  if (!known) fmt::print(stderr, "there is no mutant {} that seeds catch\n", what);
  return known && all_caught ? 0 : 2;
}
