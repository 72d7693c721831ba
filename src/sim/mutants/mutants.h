#pragma once

#include <string_view>
#include <vector>

/// Known-wrong variants of the core (mutants.txt), all compiled into one mutated copy of it: proof
/// that the oracles can fail. Only programs that link `core_mutated` have them; nothing in the
/// sources of core/ knows.
namespace aurum::sim {

struct Mutant {
  std::string_view name;
  std::string_view breaks;    ///< the promise, in a sentence
  std::string_view profile;   ///< of the runs that catch it
  std::string_view faults;    ///< the fault mix of these runs
  int seeds = 0;              ///< one of the seeds 1..seeds catches it
  std::string_view scenario;  ///< or this test of src/sim does
};

/// In the order of mutants.txt.
const std::vector<Mutant>& all_mutants();

/// Makes one the core of this process; "" is the true core. False: there is no such mutant.
bool choose_mutant(std::string_view name);

}  // namespace aurum::sim

namespace aurum::mutants {

/// The one that is chosen, as an index into all_mutants(); -1: none. Read at every woven place.
extern int chosen;

}  // namespace aurum::mutants
