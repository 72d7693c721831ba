#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sim/run.h"
#include "sim/trace.h"

/// The file that `aurum sim --trace` writes and `aurum explain` reads: JSON, one object a line. The
/// first says what the file is and how the run is repeated, each other one is an entry.
namespace aurum::lab {

struct Trace {
  std::string replay;
  std::string cluster;  ///< "3 nodes, sync, fast"
  Duration length{};
  std::vector<std::string> broken;
  std::vector<sim::TraceEntry> entries;

  std::vector<std::string> nodes() const;  ///< in order of their names
};

Status write_trace(const std::string& file, const sim::RunOptions& options,
                   const sim::RunResult& result);
Result<Trace> read_trace(const std::string& file);

/// A line for each entry worth reading.
std::string story_text(const Trace& trace);
/// A page by itself: a lane for each node, faults and the story below.
std::string story_html(const Trace& trace);

}  // namespace aurum::lab
