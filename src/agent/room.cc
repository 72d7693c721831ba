// Room on the disks of this node: looked at now and then, and held back as the core says.

#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "agent/agent.h"
#include "core/disk.h"

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

Task<bool> Agent::disk_takes_writes(Duration timeout) {
  const auto disk = co_await postgres_->disk_probe(timeout);
  const bool full = disk && *disk == pg::Room::none;
  const auto& view = core_.state().view;
  const bool good = disk && (!full || !view || !core::another_has_room(*view, config_.name));
  const char* then = good ? "; nobody else has room, so this node goes on leading" : "";
  const bool told = std::exchange(disk_full_told_, full);
  if (!disk)
    log_->warn("pg.disk", "PostgreSQL's disk does not take writes: " + disk.error().text());
  else if (full && !told)
    log_->error("pg.disk", std::string("PostgreSQL's disk is full") + then);
  co_return good;
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
