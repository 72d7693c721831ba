// Looking at PostgreSQL, and hearing of its end.

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include "agent/agent.h"
#include "agent/guard_launcher.h"
#include "agent/rest_tls.h"
#include "fence/run_dir.h"
#include "runtime/clock.h"

namespace aurum::agent {

namespace asio = boost::asio;
using runtime::Task;
using runtime::use_task;

namespace {

/// A quiet node is looked at once a second, one on its way somewhere five times.
constexpr auto kQuiet = std::chrono::milliseconds(1000);
constexpr auto kBusy = std::chrono::milliseconds(200);
/// A certificate is renewed weeks before its end.
constexpr auto kCertificates = std::chrono::seconds(5);
/// Seconds between signs of life of the other members.
constexpr unsigned kSignsOfLife = 4;

bool is_quiet(const core::State& s) {
  if (s.job || !s.facts || !s.facts->accepting) return false;
  if (!s.view || !s.view->leader) return false;
  if (s.lead.held)
    return !s.facts->in_recovery && s.dynamic.synchronous_mode == model::SyncMode::off;
  return s.facts->in_recovery && s.facts->replication_state == "streaming";
}

}  // namespace

Task<void> Agent::probe_loop() {
  for (;;) {
    co_await probe_once();
    const core::State& s = core_.state();
    Duration pause = is_quiet(s) ? kQuiet : kBusy;
    if (s.lead.held) pause = std::min(pause, s.timing.proof_max_age / 4);
    probe_timer_.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(pause));
    auto [ec] = co_await probe_timer_.async_wait(use_task);
    (void)ec;  // hurried or not: look
  }
}

void Agent::probe_soon() { probe_timer_.cancel(); }

/// Ends with facts from a look that began no earlier than this call: one that is under way may have
/// seen what was before, and a job's end must not be judged by it.
Task<void> Agent::probe_once() {
  const std::uint64_t earlier = probes_begun_;
  while (probing_) {
    auto [ec] = co_await probed_.async_wait(use_task);  // woken by its end, which has a deadline
    (void)ec;
    if (!probing_ && probes_begun_ > earlier) co_return;
  }
  probing_ = true;
  ++probes_begun_;
  const core::Timing timing = core_.state().timing;
  const Instant sent = runtime::now();
  auto facts = co_await postgres_->probe(std::min<Duration>(timing.proof_max_age / 2, seconds(2)),
                                         timing.hang_limit);
  bool writes = facts.accepting;
  if (writes && !facts.in_recovery)
    writes = facts.takes_writes = co_await disk_takes_writes(timing.proof_max_age / 2);
  if (writes && keeper_) keeper_->proof(sent);
  facts_seen(std::move(facts));
  probing_ = false;
  probed_.cancel();
}

void Agent::facts_seen(model::PgFacts facts) {
  if (facts.process_alive && facts.pid != 0 && facts.pid != adopted_pid_) {
    adopted_pid_ = facts.pid;
    asio::co_spawn(io_, launcher_->adopt(facts.pid), asio::detached);
  }
  const bool settled = facts.accepting && !facts.in_recovery && core_.state().lead.held &&
                       !core_.state().bootstrapping;
  if (settled && !std::exchange(roles_checked_, true))
    asio::co_spawn(io_, check_roles(), asio::detached);
  post(core::PgProbed{std::move(facts)});
}

/// A server that somebody else made may lack the roles that replicas come with; they are not made
/// behind the back of its owner.
Task<void> Agent::check_roles() {
  auto missing = co_await postgres_->missing_roles();
  if (!missing) co_return;
  for (const auto& text : *missing) log_->warn("pg.roles", text);
}

std::vector<std::string> Agent::others() const {
  std::vector<std::string> urls;
  if (const auto& cluster = core_.state().view)
    for (const auto& [name, member] : cluster->members)
      if (name != config_.name && !member.api_url.empty()) urls.push_back(member.api_url);
  return urls;
}

/// Links to the others stand before they are needed.
Task<void> Agent::peer_loop() {
  asio::steady_timer pause(io_);
  for (unsigned round = 0;; ++round) {
    peers_.keep_open(io_, others(), round % kSignsOfLife == 0);
    pause.expires_after(std::chrono::seconds(1));
    auto [ec] = co_await pause.async_wait(use_task);
    (void)ec;
  }
}

/// Certificates renewed on the disk are taken up by whoever read them at its start. A bad one
/// leaves the former in use, and is looked at again when it changes.
Task<void> Agent::certificate_loop() {
  using Use = Certificates::Use;
  asio::steady_timer pause(io_);
  for (;;) {
    const auto changed = certificates_.look(config_, core_.state().dynamic);
    const auto tls = rest_server_tls(config_.rest);
    if (changed.contains(Use::rest) && tls) {
      const Status renewed = server_->reload_tls(*tls);
      if (renewed)
        log_->info("certificates", "restapi: the new certificate is in use");
      else
        log_->error("certificates", renewed.error().within("restapi").text());
    }
    if (changed.contains(Use::routing)) {
      const Status renewed = router_.renew_certificates();
      if (renewed)
        log_->info("certificates", "routing: the new certificate is in use");
      else
        log_->error("certificates", renewed.error().text());
    }
    if (changed.contains(Use::postgresql)) {
      const Status told = co_await postgres_->reload();
      if (told)
        log_->info("certificates", "PostgreSQL was told to read its new certificate");
      else
        log_->error("certificates", told.error().within("PostgreSQL").text());
    }
    pause.expires_after(kCertificates);
    auto [ec] = co_await pause.async_wait(use_task);
    (void)ec;
  }
}

void Agent::server_exited(int pid, std::string how) {
  adopted_pid_ = 0;
  post(core::PgExited{pid, std::move(how)});
  probe_soon();
}

/// The guard died, or was killed. PostgreSQL runs on without a parent that watches the deadline, so
/// a new guard has to adopt it at once.
Task<void> Agent::revive_guard() {
  log_->error("guard.lost", "the guard is gone; starting another one");
  asio::steady_timer pause(io_);
  while (!finishing_) {
    auto spawned = co_await fence::spawn_guard(run_dir_, options_.program, Duration{0}, seconds(5));
    if (spawned) {
      auto connected = co_await reach_guard(seconds(2));
      if (connected) {
        adopted_pid_ = 0;
        co_await probe_once();
        if (watchdog_asked_ && core_.state().lead.held) run(*watchdog_asked_);
        co_return;
      }
      log_->error("guard.lost", "could not reach the new guard: " + connected.error().text());
    } else {
      log_->error("guard.lost", "could not start a guard: " + spawned.error().text());
    }
    pause.expires_after(std::chrono::milliseconds(500));
    auto [ec] = co_await pause.async_wait(use_task);
    (void)ec;
  }
}

}  // namespace aurum::agent
