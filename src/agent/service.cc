// Telling the service manager, systemd, how this node is.

#include <algorithm>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "agent/agent.h"
#include "model/roles.h"

namespace aurum::agent {

using runtime::Task;
using runtime::use_task;

namespace {
constexpr Duration kTellEvery = seconds(1);
}  // namespace

/// Shows that the loop turns, four times in each period of the watchdog. An agent that is killed
/// for not doing so is started again, and takes over the server that runs on under its guard.
Task<void> Agent::service_loop() {
  boost::asio::steady_timer pause(io_);
  Duration every = kTellEvery;
  const Duration watchdog = options_.manager.watchdog();
  if (watchdog > Duration{}) every = std::min<Duration>(every, watchdog / 4);
  for (;;) {
    if (watchdog > Duration{}) options_.manager.alive();
    tell_service_manager();
    pause.expires_after(every);
    auto [ec] = co_await pause.async_wait(use_task);
    (void)ec;
  }
}

void Agent::tell_service_manager() {
  const core::State& s = core_.state();
  if (!s.facts) return;
  std::string text = fmt::format("{} of {}, PostgreSQL is {}", model::to_string(s.role),
                                 config_.scope, model::to_string(s.pg_state));
  if (s.job) text += fmt::format(" ({})", core::name_of(s.job->job));
  if (s.dynamic.pause) text += ", paused";
  options_.manager.status(text);
}

}  // namespace aurum::agent
