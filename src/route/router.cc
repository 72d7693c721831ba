#include "route/router.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "route/haproxy.h"
#include "runtime/clock.h"

namespace aurum::route {

namespace asio = boost::asio;

namespace {

constexpr Duration kPush = seconds(1), kConsole = seconds(2);
constexpr auto kLookEvery = std::chrono::seconds(5);
/// Nobody leads so long after a handover began: its clients had better hear it from PostgreSQL.
constexpr auto kHeldLongest = std::chrono::seconds(10);

}  // namespace

Router::Router(asio::any_io_executor executor, runtime::Logger& log)
    : executor_(std::move(executor)), log_(log) {}

void Router::reconfigure(const model::LocalConfig& config) {
  if (config_ == config.aurum.routing && name_ == config.name) return;
  config_ = config.aurum.routing;
  ++configs_;
  name_ = config.name;
  tls_.reset();
  if (const auto made = renew_certificates(); !made) log_.error("routing", made.error().text());
  pgbouncers_.clear();
}

Status Router::renew_certificates() {
  if (config_.ca_file.empty()) return {};
  auto made = net::make_client_tls({.cafile = config_.ca_file,
                                    .certfile = config_.cert_file,
                                    .keyfile = config_.key_file,
                                    .verify_host = true});
  if (!made) return fail(made.error().within("aurum.routing"));
  tls_ = std::move(*made);
  return {};
}

void Router::leads(std::vector<std::string> others) {
  const auto command = leader_command(config_.backend, name_, others);
  // Certificates that can not be read: nothing is said in plain text instead.
  const bool fit = config_.ca_file.empty() || tls_;
  for (const auto& where : config_.haproxy)
    if (fit) asio::co_spawn(executor_, tell_haproxies(where, command), asio::detached);
  leading_ = true;
  if (config_.pgbouncer.empty()) return;
  // What PgBouncer lets go too early tries anew, every server_login_retry.
  asio::co_spawn(executor_, release_all(), asio::detached);
  if (!std::exchange(keeping_, true)) asio::co_spawn(executor_, keep_consoles(), asio::detached);
}

/// Those that are there now; the console of one that was there before stays open.
Task<Status> Router::find_pgbouncers() {
  const unsigned config = configs_;
  std::vector<std::shared_ptr<Pgbouncer>> found;
  for (const auto& where : std::vector(config_.pgbouncer)) {
    const auto doors = co_await look_up(where, kConsole);
    if (config != configs_) co_return Status{};
    // A name service that is away takes nobody's console.
    if (!doors) co_return fail(doors.error());
    for (const auto& door : *doors) {
      const auto known =
          std::ranges::find(pgbouncers_, door, [](const auto& bouncer) { return bouncer->door(); });
      found.push_back(known != pgbouncers_.end() ? *known
                                                 : std::make_shared<Pgbouncer>(executor_, door));
    }
  }
  pgbouncers_ = std::move(found);
  co_return Status{};
}

Task<void> Router::release_all() {
  const Status looked = co_await find_pgbouncers();
  if (!looked) log_.warn("routing", "PgBouncer: " + looked.error().text());
  for (const auto& pgbouncer : pgbouncers_)
    asio::co_spawn(executor_, release(pgbouncer), asio::detached);
}

/// So that they are open when there is something to say.
Task<void> Router::keep_consoles() {
  asio::steady_timer timer(executor_);
  while (leading_) {
    timer.expires_after(kLookEvery);
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ec);
    const Status looked = co_await find_pgbouncers();
    static_cast<void>(looked);  // told when there was something to say
    for (const auto& pgbouncer : std::vector(pgbouncers_)) {
      auto opened = co_await pgbouncer->open(config_, kConsole);
      static_cast<void>(opened);  // a handover will do without it
    }
  }
  keeping_ = false;
}

Task<void> Router::tell_haproxies(std::string where, std::string command) {
  const auto doors = co_await look_up(where, kPush);
  if (!doors)
    co_return log_.warn("routing", fmt::format("HAProxy at {} was not told of this leader: {}",
                                               where, doors.error().text()));
  for (const auto& door : *doors)
    asio::co_spawn(executor_, tell_haproxy(door, command), asio::detached);
}

Task<void> Router::tell_haproxy(Address door, std::string command) {
  const Instant begun = runtime::now();
  auto answer = co_await ask_haproxy(door, tls_, std::move(command), kPush);
  const auto wrong = answer ? complaint(*answer) : answer.error().text();
  if (wrong.empty())
    log_.info("routing", fmt::format("told HAProxy at {} in {} ms", door.text(),
                                     to_ms(runtime::now() - begun)));
  else if (answer && leader_is_up(*answer))
    log_.info("routing",
              fmt::format("told HAProxy at {} of this leader; of other members it says: {}",
                          door.text(), wrong));
  else
    log_.warn("routing",
              fmt::format("HAProxy at {} was not told of this leader: {}", door.text(), wrong));
}

/// Whatever paused it: a leader that was killed over its handover can not.
Task<void> Router::release(std::shared_ptr<Pgbouncer> pgbouncer) {
  auto resumed = co_await pgbouncer->resume(config_, kConsole);
  if (!resumed) log_.warn("routing", "PgBouncer: " + resumed.error().text());
  auto opened = co_await pgbouncer->open(config_, kConsole);
  if (!opened) log_.debug("routing", "PgBouncer: " + opened.error().text());
}

Task<void> Router::hold_clients() {
  if (pgbouncers_.empty() || config_.pause_ms == 0) co_return;
  // Held by both sides: the wait may end before they do.
  auto left = std::make_shared<std::size_t>(pgbouncers_.size());
  auto done =
      std::make_shared<asio::steady_timer>(executor_, std::chrono::milliseconds(config_.pause_ms));
  for (const auto& pgbouncer : std::vector(pgbouncers_))
    asio::co_spawn(executor_, hold(pgbouncer), [left, done](std::exception_ptr) {
      if (--*left == 0) done->cancel();
    });
  auto [ec] = co_await done->async_wait(runtime::use_task);
  static_cast<void>(ec);
}

Task<void> Router::hold(std::shared_ptr<Pgbouncer> pgbouncer) {
  auto paused = co_await pgbouncer->pause(milliseconds(config_.pause_ms));
  if (!paused && paused.error().code != Code::timeout) {
    log_.debug("routing", "PgBouncer: " + paused.error().text());
    co_return;
  }
  asio::co_spawn(executor_, release_later(pgbouncer), asio::detached);
}

Task<void> Router::release_later(std::shared_ptr<Pgbouncer> pgbouncer) {
  asio::steady_timer timer(executor_, kHeldLongest);
  auto [ec] = co_await timer.async_wait(runtime::use_task);
  static_cast<void>(ec);
  co_await release(pgbouncer);
}

}  // namespace aurum::route
