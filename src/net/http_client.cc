#include "net/http_client.h"

#include <array>
#include <charconv>
#include <chrono>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "net/connect.h"
#include "net/http_parse.h"
#include "net/resolve.h"
#include "net/stream.h"

namespace aurum::net {

namespace asio = runtime::asio;
using asio::ip::tcp;
using runtime::use_task;

namespace {

using Clock = std::chrono::steady_clock;

std::string authority(const Url& url) {
  return url.host.contains(':') ? fmt::format("[{}]:{}", url.host, url.port)
                                : fmt::format("{}:{}", url.host, url.port);
}

/// No line break may reach the wire through a caller's text.
bool has_control(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos;
}

Result<std::string> render_request(const HttpCall& call, const Url& url, const char* connection) {
  bool bad = has_control(call.method) || has_control(url.target) || has_control(url.host);
  for (const auto& [name, value] : call.headers)
    bad = bad || has_control(name) || has_control(value);
  if (bad)
    return fail(Code::invalid,
                fmt::format("{}: a request line or header holds a line break", call.url));
  std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: {}\r\n", call.method,
                                url.target, authority(url), connection);
  if (!call.username.empty() || !call.password.empty()) {
    out += fmt::format("Authorization: {}\r\n", basic_credentials(call.username, call.password));
  }
  for (const auto& [name, value] : call.headers) out += fmt::format("{}: {}\r\n", name, value);
  if (!call.body.empty() || (!is_read(call.method) && call.method != "DELETE")) {
    out += fmt::format("Content-Length: {}\r\n", call.body.size());
  }
  return out + "\r\n" + call.body;
}

/// A failure behind the moment the request was sent.
Error broken(const HttpCall& call, bool late, std::string_view what) {
  std::string text = late ? fmt::format("{} {}: no answer within {} ms", call.method, call.url,
                                        to_ms(call.timeout))
                          : fmt::format("{} {}: {}", call.method, call.url, what);
  if (!is_read(call.method)) return {Code::unknown_outcome, text, {}};
  return {late ? Code::timeout : Code::io, text, {}};
}

struct Exchanged {
  HttpResponse reply;
  bool kept = false;  ///< the connection can take another request
};

Task<Result<Exchanged>> exchange(const HttpCall& call, Stream& stream, const std::string& request,
                                 Clock::time_point end) {
  auto executor = co_await asio::this_coro::executor;
  Deadline deadline(executor, stream);
  deadline.set(end - Clock::now());
  auto sent = co_await stream.write(request);
  if (sent) co_return fail(broken(call, deadline.expired(), sent.message()));
  ResponseParser parser(call.body_bytes_max, call.method == "HEAD");
  std::array<char, 8192> buffer;
  while (!parser.done()) {
    auto got = co_await stream.read_some(buffer);
    if (got.ec) {
      if (deadline.expired()) co_return fail(broken(call, true, {}));
      // Many servers end TLS without a close_notify; the parser knows whether something is missing.
      auto ended = parser.end();
      if (!ended && got.n == 0) co_return fail(broken(call, false, ended.error().message));
      break;
    }
    auto fed = parser.feed(std::string_view(buffer.data(), got.n));
    if (!fed) co_return fail(fed.error().within(call.url));
  }
  const bool kept = parser.kept();
  co_return Exchanged{parser.take(), kept};
}

/// Connected and, with TLS, known to be who it says.
Task<Result<std::unique_ptr<Stream>>> open_stream(const HttpCall& call, const Url& url,
                                                  std::vector<Endpoint> endpoints,
                                                  Clock::time_point end) {
  TlsContextPtr tls = call.tls_context;
  if (url.tls && tls == nullptr) {
    auto made = make_client_tls(call.tls);
    if (!made) co_return fail(made.error());
    tls = *made;
  }
  auto socket = co_await connect_any(authority(url), std::move(endpoints), end - Clock::now());
  if (!socket) co_return fail(socket.error());
  auto stream =
      url.tls ? tls_stream(std::move(*socket), tls, url.host) : plain_stream(std::move(*socket));
  auto executor = co_await asio::this_coro::executor;
  Deadline deadline(executor, *stream);
  deadline.set(end - Clock::now());
  auto shaken = co_await stream->handshake();
  if (shaken && deadline.expired()) {
    co_return fail(Code::unavailable, fmt::format("{}: no TLS handshake within {} ms",
                                                  authority(url), to_ms(call.timeout)));
  }
  if (shaken) {
    co_return fail(
        Code::permission,
        fmt::format("{}: TLS handshake failed: {}", authority(url), shaken.message()),
        "Check that the CA file matches the server's certificate and that the server speaks TLS.");
  }
  co_return std::move(stream);
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  auto bad = [&](std::string_view why) {
    return fail(Code::invalid, fmt::format("'{}' is not a usable URL: {}", text, why));
  };
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return bad("it must begin with http:// or https://");
  }
  auto end = rest.find_first_of("/?#");
  std::string_view where = rest.substr(0, end);
  url.target =
      end == std::string_view::npos ? "/" : std::string(rest.substr(end, rest.find('#') - end));
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  if (auto at = where.rfind('@'); at != std::string_view::npos) where.remove_prefix(at + 1);
  std::string_view port;
  if (where.starts_with('[')) {
    auto close = where.find(']');
    if (close == std::string_view::npos) return bad("']' is missing");
    url.host = std::string(where.substr(1, close - 1));
    where.remove_prefix(close + 1);
    if (where.starts_with(':')) port = where.substr(1);
  } else {
    auto colon = where.rfind(':');
    url.host = std::string(where.substr(0, colon));
    if (colon != std::string_view::npos) port = where.substr(colon + 1);
  }
  if (url.host.empty()) return bad("it has no host");
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) {
    auto [last, ec] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (ec != std::errc() || last != port.data() + port.size() || url.port == 0)
      return bad("bad port");
  }
  return url;
}

Task<Result<HttpResponse>> http_call(HttpCall call) {
  auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(call.timeout);
  auto url = parse_url(call.url);
  if (!url) co_return fail(url.error());
  auto request = render_request(call, *url, "close");
  if (!request) co_return fail(request.error());
  auto endpoints = co_await resolve(url->host, url->port, call.timeout);
  if (!endpoints) co_return fail(endpoints.error());
  auto stream = co_await open_stream(call, *url, std::move(*endpoints), end);
  if (!stream) co_return fail(stream.error());
  auto done = co_await exchange(call, **stream, *request, end);
  if (!done) co_return fail(done.error());
  co_return std::move(done->reply);
}

struct HttpLink::State {
  Resolver resolver;
  std::unique_ptr<Stream> kept;  ///< taken out while a call uses it
  std::vector<Endpoint> known;   ///< where a server that keeps connections was last
  bool open = false;             ///< kept, or in use by a call
};

HttpLink::HttpLink(Resolver resolver) : state_(std::make_shared<State>()) {
  state_->resolver = std::move(resolver);
}

bool HttpLink::open() const { return state_->open; }

Task<Result<HttpResponse>> HttpLink::call(HttpCall call) {
  const auto state = state_;  // the link may go while we wait
  const auto begun = Clock::now();
  const auto whole = std::chrono::duration_cast<Clock::duration>(call.timeout);
  auto url = parse_url(call.url);
  if (!url) co_return fail(url.error());
  auto request = render_request(call, *url, "keep-alive");
  if (!request) co_return fail(request.error());
  const auto keep = [&](Exchanged& done, std::unique_ptr<Stream> stream) {
    if (done.kept && state->kept == nullptr) {
      state->kept = std::move(stream);
      state->open = true;
    }
    return std::move(done.reply);
  };

  if (auto stream = std::exchange(state->kept, nullptr)) {  // still `open`
    auto done = co_await exchange(call, *stream, *request, begun + whole / 2);
    state->open = false;
    if (done) co_return keep(*done, std::move(stream));
  }
  const auto end = begun + whole;
  const Duration left = end - Clock::now();
  // A resolver that says nothing must leave time for the address that is known.
  auto endpoints =
      co_await state->resolver(url->host, url->port, state->known.empty() ? left : left / 2);
  if (!endpoints && state->known.empty()) co_return fail(endpoints.error());
  auto stream = co_await open_stream(call, *url, endpoints ? *endpoints : state->known, end);
  if (!stream) co_return fail(stream.error());
  auto done = co_await exchange(call, **stream, *request, end);
  if (!done) co_return fail(done.error());
  if (endpoints) state->known = done->kept ? std::move(*endpoints) : std::vector<Endpoint>{};
  co_return keep(*done, std::move(*stream));
}

}  // namespace aurum::net
