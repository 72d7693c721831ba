// For sim_mutated_scenarios: AURUM_MUTANT names the mutant that its tests run.

#include <cstdlib>

#include "base/ensure.h"
#include "sim/mutants/mutants.h"

namespace aurum::sim {
namespace {

const bool chosen = [] {
  const char* name = std::getenv("AURUM_MUTANT");
  ensure(choose_mutant(name != nullptr ? name : ""), "AURUM_MUTANT names a mutant");
  return true;
}();

}  // namespace
}  // namespace aurum::sim
