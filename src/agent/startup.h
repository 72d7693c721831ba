#pragma once

#include <vector>

#include "model/config.h"

/// What the commands that begin with a configuration share.
namespace aurum::agent {

/// This process's own.
model::Environment environment();
/// One line each on standard error.
void print_findings(const model::Loaded& loaded);

/// Passwords that everybody knows, because the quick start ships them: each begins with
/// "development-". They are an error unless AURUM_DEVELOPMENT=1 says that this is no production,
/// and then one warning.
std::vector<model::Finding> check_passwords(const model::LocalConfig& config,
                                            const model::Environment& env);

}  // namespace aurum::agent
