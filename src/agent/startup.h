#pragma once

#include <vector>

#include "fence/run_dir.h"
#include "model/config.h"

/// What the commands that begin with a configuration share.
namespace aurum::agent {

/// Where this member's guard is, or would be, at home. Agent, `aurum run` and the commands that
/// look for it must mean the same one.
Result<fence::RunDir> run_dir_of(const model::LocalConfig& config);
/// One line each on standard error.
void print_findings(const model::Loaded& loaded);

}  // namespace aurum::agent
