#pragma once

#include <string>
#include <vector>

#include "base/time.h"

namespace aurum::sim {

/// What happened in a run, for people: in order of time.
struct TraceEntry {
  enum class Kind { note, fault, role, page, leader, violation };
  Duration at{};
  Kind kind{};
  std::string node;  ///< "": the whole cluster
  std::string text;  ///< of a role: primary, streaming, standby, starting, stopped, off
};
const char* name_of(TraceEntry::Kind kind);

}  // namespace aurum::sim
