#pragma once

#include <cstdint>

#include "base/time.h"

namespace aurum::runtime {

Instant now();              ///< CLOCK_BOOTTIME
WallTime wall_now();        ///< CLOCK_REALTIME
std::int64_t wall_now_s();  ///< the same in whole seconds since 1970

}  // namespace aurum::runtime
