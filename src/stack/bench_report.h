#pragma once

#include <string>

#include "stack/bench_record.h"

namespace aurum::stack {

/// For a terminal, within 80 columns: outages and phases, then rows, then the agents themselves;
/// each event with its agents below each other.
std::string report_text(const BenchRecord& record);

/// For a document, with lines of at most 120 characters where a table's cells allow it: how it was
/// measured, outages with the agents beside each other, then rows.
std::string report_markdown(const BenchRecord& record);

}  // namespace aurum::stack
