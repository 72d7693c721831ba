#pragma once

#include <string>

#include "model/value.h"

namespace aurum::model {

/// Shortest decimal text that reads back as the same double, always with a point or an exponent
/// ("1.0", "1e+16"); "NaN", "Infinity", "-Infinity" for the others.
std::string real_text(double value);

/// Makes keys unique in linear time: the last value wins, at the place of the first.
void unique_keys(Value::Object& members);

/// Bounds on text from outside: a value which breaks them is an error, never a crash.
inline constexpr std::size_t kMaxJsonBytes = 16U << 20;
inline constexpr std::size_t kMaxYamlBytes = 2U << 20;
inline constexpr int kMaxDepth = 64;
inline constexpr std::size_t kMaxNodes = 1'000'000;

}  // namespace aurum::model
