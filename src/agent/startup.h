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

/// Passwords that everybody knows, because the quick start ships them: each begins with
/// "development-". They are an error unless AURUM_DEVELOPMENT=1 says that this is no production,
/// and then one warning.
std::vector<model::Finding> check_passwords(const model::LocalConfig& config,
                                            const model::Environment& env);

}  // namespace aurum::agent
