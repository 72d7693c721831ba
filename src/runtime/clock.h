#pragma once

#include <string>

#include "base/time.h"

namespace aurum::runtime {

Instant now();        ///< CLOCK_BOOTTIME
WallTime wall_now();  ///< CLOCK_REALTIME

}  // namespace aurum::runtime
