#include "runtime/clock.h"

#include <ctime>

namespace aurum::runtime {

namespace {
std::int64_t read_ns(clockid_t clock) {
  timespec at{};
  ::clock_gettime(clock, &at);
  return at.tv_sec * std::int64_t{1'000'000'000} + at.tv_nsec;
}
}  // namespace

Instant now() { return Instant{read_ns(CLOCK_BOOTTIME)}; }
WallTime wall_now() { return WallTime{read_ns(CLOCK_REALTIME) / 1000}; }
std::int64_t wall_now_s() { return wall_now().us / 1'000'000; }

}  // namespace aurum::runtime
