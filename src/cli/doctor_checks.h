#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/doctor_facts.h"

/// The production checklist: each item judges the facts. Pure. README.md, "Production checklist",
/// names the same items (tests/docs/checklist).
namespace aurum::cli {

enum class Health { pass, fail, unknown };
std::string_view to_string(Health health);

struct Verdict {
  Health health = Health::unknown;
  std::string told;  ///< what was seen, or why it is not known
  std::string fix;   ///< what to do; only with fail
};

struct CheckItem {
  std::string_view id;     ///< for scripts, and for the README
  std::string_view title;  ///< what is to be so
  Verdict (*judge)(const DoctorFacts& facts);
};

/// In the order in which they are shown.
const std::vector<CheckItem>& check_items();

}  // namespace aurum::cli
