#include "net/resolve.h"

#include <memory>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace aurum::net {

namespace asio = runtime::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// Held by the waiting coroutine and by the resolver's handler, whichever ends last.
struct Lookup {
  explicit Lookup(const asio::any_io_executor& executor) : resolver(executor), timer(executor) {}
  tcp::resolver resolver;
  asio::steady_timer timer;
  bool done = false;
  error_code ec;
  std::vector<Endpoint> found;
};

}  // namespace

runtime::Task<Result<std::vector<Endpoint>>> resolve(std::string host, std::uint16_t port,
                                                     Duration timeout) {
  error_code numeric;
  auto address = asio::ip::make_address(host, numeric);
  if (!numeric) co_return std::vector<Endpoint>{Endpoint(address, port)};

  auto executor = co_await asio::this_coro::executor;
  auto lookup = std::make_shared<Lookup>(executor);
  lookup->timer.expires_after(timeout);
  lookup->resolver.async_resolve(
      host, std::to_string(port), tcp::resolver::numeric_service,
      [lookup](const error_code& ec, const tcp::resolver::results_type& r) {
        lookup->done = true;
        lookup->ec = ec;
        for (const auto& entry : r) lookup->found.push_back(entry.endpoint());
        lookup->timer.cancel();
      });
  auto [waited] = co_await lookup->timer.async_wait(runtime::use_task);
  (void)waited;
  if (!lookup->done) {
    co_return fail(Code::unavailable,
                   fmt::format("cannot resolve {}: no answer within {} ms", host, to_ms(timeout)));
  }
  if (lookup->ec || lookup->found.empty()) {
    co_return fail(Code::unavailable,
                   fmt::format("cannot resolve {}: {}", host, lookup->ec.message()),
                   "Check the name, /etc/hosts and the DNS server.");
  }
  co_return std::move(lookup->found);
}

}  // namespace aurum::net
