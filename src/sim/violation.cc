#include "sim/violation.h"

#include <fmt/format.h>

namespace aurum::sim {

const char* name_of(Rule rule) {
  switch (rule) {
    case Rule::one_writer:
      return "one_writer";
    case Rule::lease_page:
      return "lease_page";
    case Rule::no_lost_write:
      return "no_lost_write";
    case Rule::recovery:
      return "recovery";
    case Rule::end_state:
      return "end_state";
    case Rule::sync_key:
      return "sync_key";
    case Rule::initdb:
      return "initdb";
    case Rule::timeline:
      return "timeline";
    case Rule::data_care:
      return "data_care";
    case Rule::lock:
      return "lock";
    case Rule::fit_to_lead:
      return "fit_to_lead";
    case Rule::calm:
      return "calm";
    case Rule::standby_cluster:
      return "standby_cluster";
    case Rule::restore:
      return "restore";
  }
  return "?";
}

std::string to_string(const Violation& violation) {
  return fmt::format("{} at {:.3f} s: {}", name_of(violation.rule), to_seconds(violation.at),
                     violation.text);
}

}  // namespace aurum::sim
