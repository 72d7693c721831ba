#include "fence/watchdog.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fence/guard_start.h"

namespace aurum::fence {

namespace {

auto failed(const char* what, const char* device, int why) {
  return fail(
      why == EACCES || why == EPERM ? Code::permission : Code::io,
      std::string("cannot ") + what + " the watchdog " + device + ": " + std::strerror(why));
}

}  // namespace

Status Watchdog::look(const char* device) {
  if (::access(device, W_OK) == 0) return {};
  return failed("open", device, errno);
}

Status Watchdog::arm(const char* device, bool testing, int timeout_s) {
  if (!armed()) {
    // A FIFO without a reader is refused at once, as a device that is in use is.
    fd_ = ::open(device, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd_ < 0) return failed("open", device, errno);
    testing_ = testing;
  }
  auto set = settings(device, timeout_s);
  if (set) set = put("1");
  if (!set) disarm();
  return set;
}

Status Watchdog::settings(const char* device, int timeout_s) {
  if (testing_) return put("Ctimeout=" + std::to_string(timeout_s) + "\n");
  watchdog_info info{};
  if (::ioctl(fd_, WDIOC_GETSUPPORT, &info) != 0) return failed("ask", device, errno);
  if ((info.options & WDIOF_MAGICCLOSE) == 0)
    return fail(Code::invalid, std::string("the watchdog ") + device + " can not be disarmed",
                "Its driver has no magic close; it would reset the machine after a switchover.");
  int set = timeout_s;
  if (::ioctl(fd_, WDIOC_SETTIMEOUT, &set) != 0) return failed("set the time of", device, errno);
  if (set > timeout_s)
    return fail(Code::invalid,
                std::string("the watchdog ") + device + " does not go below " +
                    std::to_string(set) + " s, " + std::to_string(timeout_s) + " s were asked for",
                "Raise ttl, or lower watchdog.safety_margin.");
  return {};
}

Status Watchdog::put(std::string_view text) {
  const ssize_t n = ::write(fd_, text.data(), text.size());
  if (n == static_cast<ssize_t>(text.size())) return {};
  return fail(Code::io, std::string("cannot write to the watchdog: ") + std::strerror(errno));
}

void Watchdog::feed() {
  if (!armed()) return;
  const bool fed = ::write(fd_, "1", 1) == 1;
  if (!fed && !told_) guard_log("ERROR", "cannot feed the watchdog: %s", std::strerror(errno));
  told_ = !fed;
}

void Watchdog::disarm() {
  if (!armed()) return;
  if (::write(fd_, "V", 1) != 1)
    guard_log("ERROR", "cannot disarm the watchdog: %s; it may reset this machine",
              std::strerror(errno));
  ::close(fd_);
  fd_ = -1;
}

}  // namespace aurum::fence
