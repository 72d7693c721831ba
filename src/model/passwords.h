#pragma once

#include <vector>

#include "model/config.h"

namespace aurum::model {

/// AURUM_DEVELOPMENT=1: the quick start says that no data here matters.
bool is_development(const Environment& env);

/// Passwords that everybody knows, because the quick start ships them: each begins with
/// "development-". They are an error unless AURUM_DEVELOPMENT=1 says that this is no production,
/// and then one warning.
std::vector<Finding> check_passwords(const LocalConfig& config, const Environment& env);

}  // namespace aurum::model
