#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace aurum::stack {

/// All of a file. Code::not_found when there is none.
Result<std::string> read_file(const std::filesystem::path& file);

}  // namespace aurum::stack
