#pragma once

#include <map>
#include <string>

namespace aurum::runtime {

/// This process's own variables.
std::map<std::string, std::string> environment();

}  // namespace aurum::runtime
