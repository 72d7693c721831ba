#include "net/connect.h"

#include <chrono>
#include <memory>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace aurum::net {

namespace asio = runtime::asio;
using asio::ip::tcp;
using runtime::use_task;

namespace {

using Clock = std::chrono::steady_clock;

/// Closes the socket when the time is up, however the coroutine ends.
Task<error_code> connect(tcp::socket& socket, Endpoint to, Duration timeout) {
  auto state = std::make_shared<bool>(true);  // false once this coroutine is past the wait
  asio::steady_timer timer(socket.get_executor(),
                           std::chrono::duration_cast<Clock::duration>(timeout));
  bool late = false;
  timer.async_wait([state, &socket, &late](const error_code& ec) {
    if (ec || !*state) return;
    late = true;
    error_code ignored;
    socket.close(ignored);
  });
  struct Past {
    std::shared_ptr<bool> flag;
    ~Past() { *flag = false; }
  } past{state};
  auto [ec] = co_await socket.async_connect(to, use_task);
  co_return late ? error_code(asio::error::timed_out) : ec;
}

}  // namespace

Task<Result<tcp::socket>> connect_any(std::string where, std::vector<Endpoint> endpoints,
                                      Duration timeout) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout);
  auto executor = co_await asio::this_coro::executor;
  error_code last = asio::error::timed_out;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    // An address that swallows packets must leave time for the next.
    Duration share = (end - Clock::now()) / static_cast<std::int64_t>(endpoints.size() - i);
    if (share <= Duration::zero()) break;
    tcp::socket socket(executor);
    error_code ec;
    socket.open(endpoints[i].protocol(), ec);
    if (!ec) {
      close_on_exec(socket.native_handle());
      auto connected = co_await connect(socket, endpoints[i], share);
      ec = connected;
    }
    if (!ec) {
      socket.set_option(tcp::no_delay(true), ec);
      co_return std::move(socket);
    }
    last = ec;
  }
  co_return fail(Code::unavailable, fmt::format("cannot connect to {}: {}", where, last.message()));
}

}  // namespace aurum::net
