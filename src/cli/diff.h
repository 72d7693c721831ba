#pragma once

#include <string>
#include <string_view>

namespace aurum::cli {

/// Unified diff of two texts by lines, three lines of context, headed by "--- " and "+++ " without
/// names as `edit-config` prints it; "" when they are equal. Meant for configurations: time grows
/// with the product of the numbers of changed lines.
std::string unified_diff(std::string_view before, std::string_view after);

/// The same text with red and green lines for a terminal.
std::string coloured_diff(std::string_view diff);

}  // namespace aurum::cli
