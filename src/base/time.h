#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace aurum {

using Duration = std::chrono::nanoseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A moment on this machine's CLOCK_BOOTTIME (it goes on during suspend, it never jumps).
/// Comparable only with moments of the same machine since the same boot; the lease page and the
/// guard use it too.
struct Instant {
  std::int64_t ns = 0;

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Instant operator+(Instant at, Duration d) { return {at.ns + d.count()}; }
  friend constexpr Instant operator-(Instant at, Duration d) { return {at.ns - d.count()}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return Duration(a.ns - b.ns); }
};

inline constexpr Instant kNever{INT64_MAX};

/// Microseconds since 1970 UTC. For people and for timestamps in the DCS, never for measuring.
struct WallTime {
  std::int64_t us = 0;
  friend constexpr auto operator<=>(WallTime, WallTime) = default;
};

inline double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
inline std::int64_t to_ms(Duration d) {
  return std::chrono::duration_cast<milliseconds>(d).count();
}

}  // namespace aurum
