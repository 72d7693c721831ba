#pragma once

#include <ctime>

#include "base/time.h"

namespace aurum::stack {

/// Blocks this thread; a signal ends it sooner. For commands that look again and again.
inline void nap(Duration time) {
  const timespec wait{time.count() / 1'000'000'000, time.count() % 1'000'000'000};
  ::nanosleep(&wait, nullptr);
}

}  // namespace aurum::stack
