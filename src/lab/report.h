#pragma once

#include <string>

#include "lab/campaign.h"
#include "sim/run.h"

/// What `aurum sim` prints.
namespace aurum::lab {

/// The command that repeats this run, to its last event.
std::string replay_command(const sim::RunOptions& options);

std::string progress_line(const Campaign& campaign, const Totals& totals);
std::string totals_table(const Totals& totals);
/// A run by itself: its cluster, faults, end, and why it failed.
std::string run_report(const sim::RunOptions& options, const sim::RunResult& result);

std::string totals_json(const Campaign& campaign, const Totals& totals);
std::string run_json(const sim::RunOptions& options, const sim::RunResult& result);

}  // namespace aurum::lab
