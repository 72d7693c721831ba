#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace aurum::runtime {

Instant now();        ///< CLOCK_BOOTTIME
WallTime wall_now();  ///< CLOCK_REALTIME
/// CLOCK_MONOTONIC in microseconds: only for what is told to systemd, which has no other.
std::int64_t monotonic_us();

}  // namespace aurum::runtime
