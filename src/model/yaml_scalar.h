#pragma once

#include <string_view>

#include "model/value.h"

namespace aurum::model {

/// What an unquoted YAML 1.1 scalar means: https://yaml.org/type/ with PyYAML's reading of it
/// ("1e3" is a string, "0777" octal, "12:30:45" counts seconds, "on" is true). Time stamps stay
/// strings; so do integers past 64 bit.
Value resolve_plain(std::string_view text);

/// Whether a string written without quotes would be read back as something else (so it must be
/// quoted).
bool is_ambiguous(std::string_view text);

}  // namespace aurum::model
