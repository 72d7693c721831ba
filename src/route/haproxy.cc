#include "route/haproxy.h"

#include <algorithm>
#include <array>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "net/connect.h"
#include "net/stream.h"
#include "runtime/clock.h"

namespace aurum::route {

namespace {

constexpr std::size_t kMostAnswer = 64 * 1024;

}  // namespace

std::string leader_command(const std::string& backend, const std::string& leader,
                           const std::vector<std::string>& others) {
  // First the way that opens: in between there are two, never none.
  std::string out = fmt::format("set server {}/{} health up", backend, leader);
  for (const auto& other : others)
    out += fmt::format("; set server {}/{} health down", backend, other);
  return out + "\n";
}

std::string complaint(std::string_view answer) {
  std::string out;
  while (!answer.empty()) {
    auto line = answer.substr(0, answer.find('\n'));
    answer.remove_prefix(std::min(line.size() + 1, answer.size()));
    line = line.substr(0, line.find_last_not_of(" \r") + 1);
    if (line.empty()) continue;
    if (!out.empty()) out += "; ";
    out += line;
  }
  return out;
}

bool leader_is_up(std::string_view answer) {
  return answer.starts_with(
      '\n');  // what ends each command's answer, and the first one's was empty
}

Task<Result<std::string>> ask_haproxy(Address door, net::TlsContextPtr tls, std::string command,
                                      Duration timeout) {
  const Instant end = runtime::now() + timeout;
  const std::string where = door.text();
  auto socket = co_await net::connect_any(where, door.endpoints, timeout);
  if (!socket) co_return fail(socket.error());
  auto stream = tls ? net::tls_stream(std::move(*socket), tls, door.host)
                    : net::plain_stream(std::move(*socket));
  net::Deadline deadline(co_await boost::asio::this_coro::executor, *stream);
  deadline.set(end - runtime::now());
  auto failed = co_await stream->handshake();
  if (!failed) failed = co_await stream->write(command);
  if (failed) co_return fail(Code::unavailable, fmt::format("{}: {}", where, failed.message()));
  // It closes behind the answer.
  std::string answer;
  std::array<char, 4096> part{};
  while (answer.size() < kMostAnswer) {
    auto got = co_await stream->read_some(part);
    answer.append(part.data(), got.n);
    if (got.ec) break;
  }
  if (deadline.expired()) co_return fail(Code::timeout, where + " does not answer in time");
  co_return answer;
}

}  // namespace aurum::route
