// Room on the disks of this node: looked at now and then, and held back as the core says.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "agent/agent.h"

namespace aurum::agent {

using runtime::Task;
using runtime::use_task;

namespace {
constexpr Duration kUsual = seconds(5), kShort = seconds(1);
}

Task<void> Agent::look_at_room() {
  auto seen = co_await postgres_->volumes(seconds(5));
  // A directory that is not there yet is no trouble.
  if (seen)
    post(core::DiskSeen{*seen});
  else if (seen.error().code == Code::timeout)
    log_->warn("disk.look", seen.error().text());
}

Task<void> Agent::room_loop() {
  boost::asio::steady_timer pause(io_);
  for (;;) {
    co_await look_at_room();
    const bool roomy = core_.state().disk_level == model::DiskLevel::ok;
    pause.expires_after(
        std::chrono::duration_cast<std::chrono::nanoseconds>(roomy ? kUsual : kShort));
    auto [ec] = co_await pause.async_wait(use_task);
    (void)ec;
  }
}

void Agent::run(const core::HoldBallast& what) {
  boost::asio::co_spawn(io_, hold_ballast(what), boost::asio::detached);
}

Task<void> Agent::hold_ballast(core::HoldBallast what) {
  auto held = co_await postgres_->hold_ballast(what.data, what.wal);
  if (!held) log_->warn("disk.ballast", held.error().text());
  co_await look_at_room();
}

}  // namespace aurum::agent
