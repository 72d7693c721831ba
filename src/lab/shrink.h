#pragma once

#include <functional>

#include "sim/run.h"

namespace aurum::lab {

using Runner = std::function<sim::RunResult(const sim::RunOptions&)>;

/// Leaves out as many faults as it can while the same rule is still broken, each step checked by a
/// run of its own. `result`: of `options`. At most `runs_most` runs.
sim::RunOptions shrink(const sim::RunOptions& options, const sim::RunResult& result,
                       int runs_most = 2000, const Runner& run = sim::run);

}  // namespace aurum::lab
