#include "backup/tls_server.h"

#include <algorithm>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "pg/programs.h"
#include "runtime/clock.h"
#include "runtime/process.h"

namespace aurum::backup {

namespace asio = boost::asio;

namespace {
constexpr auto kFirstPause = std::chrono::seconds(1), kLongestPause = std::chrono::seconds(30);
}  // namespace

void TlsServer::keep(const model::LocalConfig& config) {
  if (running_) return;
  const auto& backup = *config.aurum.backup;
  const auto file = backup.config_file().string();
  std::vector<std::string> argv{program_,  "backup-run", "--parent", std::to_string(::getpid()),
                                "--watch", file};
  for (const auto& renewed : {backup.tls_cert_file, backup.tls_key_file, backup.tls_ca_file})
    if (!renewed.empty()) argv.insert(argv.end(), {"--watch", renewed});
  argv.insert(argv.end(), {backup.program, "--config=" + file, "--log-level-console=off",
                           "--log-level-stderr=error", "server"});
  // It logs in at PostgreSQL for those who ask.
  std::vector<std::string> more;
  if (!config.pg.superuser.password.empty())
    more.push_back("PGPASSWORD=" + config.pg.superuser.password);
  running_ = std::make_shared<asio::cancellation_signal>();
  asio::co_spawn(
      executor_, run(std::move(argv), pg::child_environment(std::move(more))),
      asio::bind_cancellation_slot(running_->slot(), [held = running_](std::exception_ptr) {}));
}

void TlsServer::stop() {
  if (running_) running_->emit(asio::cancellation_type::terminal);
}

Task<void> TlsServer::run(std::vector<std::string> argv, std::vector<std::string> env) {
  asio::steady_timer timer(executor_);
  auto pause = kFirstPause;
  std::string told;
  for (;;) {
    const Instant begun = runtime::now();
    auto end = co_await runtime::run_process(
        {.argv = argv, .env = env, .timeout = std::chrono::hours(24 * 365 * 100)});
    // After stop() nothing of this object may be touched: its owner can be gone.
    const auto asked = (co_await asio::this_coro::cancellation_state).cancelled();
    if (asked != asio::cancellation_type::none) co_return;
    const std::string why = end ? end->reason() : end.error().text();
    if (why != told) log_.error("backup.server", "pgbackrest server ended: " + why);
    told = why;
    if (runtime::now() - begun > kLongestPause) pause = kFirstPause;
    timer.expires_after(pause);
    co_await timer.async_wait(asio::use_awaitable);  // throws when cancelled: the end
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace aurum::backup
