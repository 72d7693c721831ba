#pragma once

#include <source_location>
#include <string_view>

namespace aurum {

/// Ends the process with a line that names the place. PostgreSQL runs on under its guard and lease.
[[noreturn]] void ensure_failed(std::string_view why, std::source_location where);

/// A promise of the programmer, checked in release builds too. Never for bad input: that is a
/// Result.
inline void ensure(bool condition, std::string_view why,
                   std::source_location where = std::source_location::current()) {
  if (!condition) [[unlikely]]
    ensure_failed(why, where);
}

}  // namespace aurum
