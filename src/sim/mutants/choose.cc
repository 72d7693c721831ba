#include "sim/mutants/mutants.h"

namespace aurum::mutants {

int chosen = -1;

}  // namespace aurum::mutants

namespace aurum::sim {

bool choose_mutant(std::string_view name) {
  mutants::chosen = -1;
  if (name.empty()) return true;
  const auto& all = all_mutants();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == name) mutants::chosen = static_cast<int>(i);
  }
  return mutants::chosen != -1;
}

}  // namespace aurum::sim
