#pragma once

#include <array>
#include <string_view>

#include "base/result.h"

namespace aurum::fence {

/// The kernel's watchdog device, or the testing driver in its place (PATRONI_COMPAT §8.8): who
/// arms it and does not feed it in time has the machine reset. No memory is taken after arm().
///
/// What must stay true: a descriptor that is lost without disarm(), as when its process dies, lets
/// the time run out. So its owner disarms it only when no server can write any more.
class Watchdog {
 public:
  Watchdog() = default;
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() = default;  ///< leaves it armed

  /// Whether this process could open it; changes nothing.
  static Status look(const char* device);
  /// Opens it, unless it is open, and sets its time. Closed again where that is not taken, or where
  /// it could not be disarmed later.
  Status arm(const char* device, bool testing, int timeout_s);
  bool armed() const { return fd_ >= 0; }
  void feed();
  void disarm();

 private:
  Status settings(const char* device, int timeout_s);
  Status put(std::string_view text);

  int fd_ = -1;
  bool testing_ = false;
  bool told_ = false;  ///< that a write failed
};

}  // namespace aurum::fence
