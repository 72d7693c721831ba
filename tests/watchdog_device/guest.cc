// The watchdog on a kernel's own device, as init of a machine of its own: fed, disarmed, left
// alone. Says each step on stdout; `run` beside this file judges them.

#include <cstdio>
#include <ctime>

#include "base/time.h"
#include "fence/watchdog.h"

namespace {

using aurum::Duration;

constexpr int kTimeout = 3;  // seconds

void rest(Duration time) {
  const timespec wait{time.count() / 1'000'000'000, time.count() % 1'000'000'000};
  ::nanosleep(&wait, nullptr);
}

bool went(const char* step, const aurum::Status& status) {
  std::printf("guest: %s: %s\n", step, status ? "done" : status.error().text().c_str());
  std::fflush(stdout);
  return status.has_value();
}

}  // namespace

int main(int, char** words) {
  const char* device = words[1];
  aurum::fence::Watchdog watchdog;
  if (!went("look", watchdog.look(device))) return 1;
  if (!went("arm", watchdog.arm(device, false, kTimeout))) return 1;
  for (int i = 0; i < 3 * kTimeout * 2; ++i) {
    rest(aurum::milliseconds(500));
    watchdog.feed();
  }
  went("fed for three times its time", {});
  watchdog.disarm();
  rest(aurum::seconds(3 * kTimeout));
  went("disarmed for three times its time", {});
  if (!went("arm again", watchdog.arm(device, false, kTimeout))) return 1;
  return 0;  // and dies without a word to the device
}
