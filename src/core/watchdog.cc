// The watchdog resets a machine on which even the guard stands still. The guard has the device
// (fence/guard.cc); here is when it is asked to arm it, and what `mode: required` forbids.
//
// What must stay true (sim/watchdog_scenario_test.cc): with `required` no server is made writable
// before the device is armed, and who can not arm it stands for nothing.

#include "core/watchdog.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

namespace {

/// One that could not be used is tried again this often.
constexpr Duration kLookAgain = seconds(10);

}  // namespace

Duration watchdog_timeout(const model::WatchdogConfig& config, Duration ttl) {
  const Duration half = ttl / 2;
  const Duration margin =
      config.safety_margin_s < 0 ? half : std::min<Duration>(seconds(config.safety_margin_s), half);
  return std::max<Duration>(std::chrono::floor<std::chrono::seconds>(ttl - margin), seconds(1));
}

Duration watchdog_tail(Duration timeout, Duration ttl) {
  return timeout - (ttl - valid_for(ttl)) / 2;
}

bool Core::watchdog_required() const { return s_.config.watchdog.mode == "required"; }

/// Why this node may not lead; "" if it may.
std::string Core::watchdog_trouble() const {
  if (!watchdog_required()) return {};
  if (!s_.watchdog.looked) return "the watchdog is required, and was not looked at yet";
  if (s_.watchdog.usable) return {};
  return "the watchdog is required, and can not be used: " + s_.watchdog.why;
}

/// Its page says `leased` already: without that the guard would close it at once.
void Core::arm_watchdog() {
  s_.watchdog.armed = false;
  const auto& config = s_.config.watchdog;
  if (config.mode == "off" || s_.page != PageState::leased) return;
  const Duration ttl = s_.lease_ttl;
  const Duration timeout = watchdog_timeout(config, ttl);
  s_.watchdog.asked = now_;
  // A heartbeat's deadline is shorter than any device can count: then it is fed to its end.
  emit(ArmWatchdog{timeout, s_.lead.beat ? Duration{0} : watchdog_tail(timeout, ttl)});
}

void Core::look_at_watchdog() {
  if (!watchdog_required() || s_.lead.held || s_.watchdog.asked) return;
  if (s_.watchdog.looked && s_.watchdog.usable) return;
  if (s_.watchdog.looked && now_ < s_.watchdog.looked_at + kLookAgain)
    return wake_at(s_.watchdog.looked_at + kLookAgain);
  s_.watchdog.asked = now_;
  emit(ArmWatchdog{});
}

void Core::on(const WatchdogAnswered& e) {
  State::Watchdog& dog = s_.watchdog;
  dog.asked.reset();
  const bool news = !dog.looked || dog.usable != e.usable || dog.why != e.why;
  dog.looked = true;
  dog.looked_at = now_;
  dog.usable = e.usable;
  dog.armed = e.armed && e.usable;
  dog.why = e.why;
  if (!news) return;
  if (!e.usable && watchdog_required())
    note(Note::Level::error, "watchdog", "the watchdog is required: " + e.why);
  else if (!e.usable)
    info("watchdog", "goes on without a watchdog: " + e.why);
}

/// Whether this server, which holds the lock, may be made writable.
bool Core::watched() {
  if (!watchdog_required() || s_.watchdog.armed) return true;
  if (s_.watchdog.asked || s_.watchdog.usable) {
    if (!s_.watchdog.asked) arm_watchdog();
    result("waiting for the watchdog");
    return false;
  }
  if (s_.bootstrapping) release_initialize();
  release_leader(watchdog_trouble());
  return false;
}

}  // namespace aurum::core
