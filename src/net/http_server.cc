#include "net/http_server.h"

#include <array>
#include <charconv>
#include <list>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "net/http_parse.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "runtime/clock.h"

namespace aurum::net {

namespace asio = runtime::asio;
using asio::ip::tcp;
using runtime::use_task;

namespace {

constexpr auto kFinishTimeout = seconds(1);
constexpr auto kAcceptRetry = milliseconds(100);  ///< after EMFILE and its like

struct Listen {
  std::vector<std::string> hosts;  ///< "" = every address
  std::uint16_t port = 0;
};

Result<Listen> parse_listen(const std::string& setting, std::string_view text) {
  auto bad = [&] {
    return fail(Code::invalid, fmt::format("{}: '{}' is not HOST:PORT", setting, text),
                "Write it as 127.0.0.1:8008, [::1]:8008 or *:8008.");
  };
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view hosts = text.substr(0, colon), digits = text.substr(colon + 1);
  Listen out;
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  if (ec != std::errc() || end != digits.data() + digits.size() || digits.empty()) return bad();
  for (;;) {
    auto comma = hosts.find(',');
    std::string_view host = hosts.substr(0, comma);
    while (host.starts_with(' ')) host.remove_prefix(1);
    while (host.ends_with(' ')) host.remove_suffix(1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    out.hosts.emplace_back(host == "*" ? std::string_view() : host);
    if (comma == std::string_view::npos) break;
    hosts.remove_prefix(comma + 1);
  }
  return out;
}

/// An IPv4 caller of a dual-stack listener is shown as IPv4, so that allow-lists match.
std::string address_text(const tcp::endpoint& peer) {
  auto address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

std::string endpoint_text(const tcp::endpoint& e) {
  auto host = e.address().to_string();
  return e.address().is_v6() ? fmt::format("[{}]:{}", host, e.port())
                             : fmt::format("{}:{}", host, e.port());
}

Result<tcp::acceptor> open_acceptor(const asio::any_io_executor& executor,
                                    const std::string& setting, const tcp::endpoint& at,
                                    bool dual_stack) {
  tcp::acceptor acceptor(executor);
  error_code ec;
  acceptor.open(at.protocol(), ec);
  if (!ec) close_on_exec(acceptor.native_handle());
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec && at.address().is_v6()) acceptor.set_option(asio::ip::v6_only(!dual_stack), ec);
  if (!ec) acceptor.bind(at, ec);
  if (!ec) acceptor.listen(tcp::acceptor::max_listen_connections, ec);
  if (!ec) return acceptor;
  std::string hint;
  if (ec == asio::error::address_in_use) {
    hint = fmt::format(
        "Another program listens there; `ss -ltnp 'sport = :{}'` shows which. Stop it or change "
        "{}.",
        at.port(), setting);
  } else if (ec == error_code(EADDRNOTAVAIL, boost::system::system_category())) {
    hint = fmt::format(
        "No interface of this machine has that address; `ip address` lists them. Change {}.",
        setting);
  } else if (ec == asio::error::access_denied) {
    hint = "Ports below 1024 need a privilege; choose a higher one.";
  }
  return fail(Code::io,
              fmt::format("{}: cannot listen on {}: {}", setting, endpoint_text(at), ec.message()),
              hint);
}

struct Session {
  std::unique_ptr<Stream> stream;
  std::string peer;
  bool tls = false;
  bool waiting = true;  ///< for the caller, not for the handler: may be ended to make room
  asio::cancellation_signal cancel;
};
using Sessions = std::list<std::shared_ptr<Session>>;

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(asio::any_io_executor e, HttpServerOptions o, Handler h, runtime::Logger& l)
      : executor(std::move(e)),
        options(std::move(o)),
        handler(std::move(h)),
        log(l),
        ended(executor) {}

  asio::any_io_executor executor;
  HttpServerOptions options;
  Handler handler;
  runtime::Logger& log;
  TlsContextPtr tls;
  std::string server_header = "Aurum";
  Headers extra_headers;
  std::list<tcp::acceptor> acceptors;
  Sessions sessions;        ///< oldest first
  std::size_t running = 0;  ///< coroutines
  asio::steady_timer ended;
  bool stopping = false;

  Status open(const std::vector<Endpoint>& at);
  Status open_everywhere(std::uint16_t port);
  static Task<void> accept_loop(std::shared_ptr<Impl> self, tcp::acceptor& acceptor);
  static Task<void> serve(std::shared_ptr<Impl> self, std::shared_ptr<Session> session);
  static Task<std::optional<std::string>> serve_one(std::shared_ptr<Impl> self, Session& session,
                                                    Deadline& deadline, std::string begun);
  Task<HttpResponse> answer(Session& session, HttpRequest request);
  void admit(Socket socket);
  bool make_room();
  void coroutine_ended();
  void close_all();
};

Status HttpServer::Impl::open(const std::vector<Endpoint>& at) {
  for (const auto& endpoint : at) {
    auto acceptor = open_acceptor(executor, options.setting, endpoint, false);
    if (!acceptor) return fail(acceptor.error());
    acceptors.push_back(std::move(*acceptor));
  }
  return {};
}

Status HttpServer::Impl::open_everywhere(std::uint16_t port) {
  // Only a kernel without IPv6 falls back: a busy IPv6 port must not end in half a listener.
  error_code no_ipv6;
  tcp::acceptor(executor).open(tcp::v6(), no_ipv6);
  if (no_ipv6) return open({tcp::endpoint(tcp::v4(), port)});
  auto both = open_acceptor(executor, options.setting, tcp::endpoint(tcp::v6(), port), true);
  if (!both) return fail(both.error());
  acceptors.push_back(std::move(*both));
  return {};
}

void HttpServer::Impl::coroutine_ended() {
  --running;
  if (running == 0) ended.cancel();
}

void HttpServer::Impl::close_all() {
  stopping = true;
  for (auto& acceptor : acceptors) {
    error_code ignored;
    acceptor.close(ignored);
  }
  // Copies: a closed stream may end its session, which leaves the list.
  Sessions all = sessions;
  for (auto& session : all) {
    session->stream->close();
    session->cancel.emit(asio::cancellation_type::terminal);
  }
}

bool HttpServer::Impl::make_room() {
  if (sessions.size() < options.connections_max) return true;
  for (auto& session : sessions) {
    if (!session->waiting) continue;
    session->waiting = false;
    session->stream->close();
    return true;
  }
  return false;
}

void HttpServer::Impl::admit(Socket socket) {
  close_on_exec(socket.native_handle());
  error_code ec;
  auto peer = socket.remote_endpoint(ec);
  if (ec) return;  // gone again
  socket.set_option(tcp::no_delay(true), ec);
  if (!make_room()) {
    // One small packet into an empty send buffer: it does not block.
    socket.non_blocking(true, ec);
    socket.write_some(asio::buffer(std::string_view("HTTP/1.0 503 Service Unavailable\r\n\r\n")),
                      ec);
    return;
  }
  auto session = std::make_shared<Session>();
  session->peer = address_text(peer);
  session->tls = tls != nullptr;
  session->stream = tls ? tls_stream(std::move(socket), tls) : plain_stream(std::move(socket));
  sessions.push_back(session);
  ++running;
  auto self = shared_from_this();
  asio::co_spawn(executor, serve(self, session),
                 asio::bind_cancellation_slot(session->cancel.slot(),
                                              [self, session](const std::exception_ptr&) {
                                                self->sessions.remove(session);
                                                self->coroutine_ended();
                                              }));
}

Task<void> HttpServer::Impl::accept_loop(std::shared_ptr<Impl> self, tcp::acceptor& acceptor) {
  asio::steady_timer pause(self->executor);
  while (!self->stopping) {
    auto [ec, socket] = co_await acceptor.async_accept(use_task);
    if (self->stopping || !acceptor.is_open()) break;
    if (!ec) {
      self->admit(std::move(socket));
      continue;
    }
    if (ec == asio::error::connection_aborted) continue;
    self->log.warn("http.accept", fmt::format("cannot accept a connection: {}", ec.message()));
    pause.expires_after(kAcceptRetry);
    auto [waited] = co_await pause.async_wait(use_task);
    (void)waited;
  }
}

Task<HttpResponse> HttpServer::Impl::answer(Session& session, HttpRequest request) {
  request.peer_address = session.peer;
  request.tls = session.tls;
  request.has_client_certificate = session.stream->has_peer_certificate();
  request.client_common_name = session.stream->peer_common_name();
  std::string what = request.method + " " + request.target;
  std::string why;
  try {
    auto response = co_await handler(std::move(request));
    co_return response;
  } catch (const std::exception& e) {
    why = e.what();
  }
  if (!stopping) log.error("http.handler", fmt::format("{} failed: {}", what, why));
  co_return error_page(500);
}

Task<void> HttpServer::Impl::serve(std::shared_ptr<Impl> self, std::shared_ptr<Session> session) {
  Stream& stream = *session->stream;
  Deadline deadline(self->executor, stream);
  deadline.set(self->options.handshake_timeout);
  auto shaken = co_await stream.handshake();
  if (shaken) {
    self->log.debug("http.handshake",
                    fmt::format("TLS handshake with {} failed: {}", session->peer,
                                deadline.expired() ? "timeout" : shaken.message()));
    co_return;
  }
  std::string rest;  // of what was read: the beginning of the next request
  while (!self->stopping) {
    auto served = co_await serve_one(self, *session, deadline, std::move(rest));
    if (!served) co_return;
    rest = std::move(*served);
  }
}

/// One request and its reply. What came behind the request when the connection stays open; nothing
/// when it is over.
Task<std::optional<std::string>> HttpServer::Impl::serve_one(std::shared_ptr<Impl> self,
                                                             Session& session, Deadline& deadline,
                                                             std::string begun) {
  Stream& stream = *session.stream;
  deadline.set(self->options.request_timeout);
  RequestParser parser(self->options.header_bytes_max, self->options.body_bytes_max);
  parser.feed(begun);
  std::array<char, 8192> buffer;
  while (!parser.done()) {
    auto got = co_await stream.read_some(buffer);
    if (got.ec) co_return std::nullopt;
    parser.feed(std::string_view(buffer.data(), got.n));
  }
  deadline.clear();
  session.waiting = false;

  const auto kept = parser.kept();
  HttpResponse response;
  if (parser.failed()) {
    response = parser.error();
  } else {
    auto answered = co_await self->answer(session, parser.take());
    response = std::move(answered);
  }
  const bool stays = kept && !response.framework_error && !self->stopping;
  const std::string date = http_date(runtime::wall_now_s());
  const std::string bytes =
      stays ? render_kept_reply(response, *kept, self->server_header, date, self->extra_headers)
            : render_reply(response, self->server_header, date, self->extra_headers);
  deadline.set(self->options.reply_timeout);
  auto written = co_await stream.write(bytes);
  if (written) co_return std::nullopt;
  session.waiting = true;
  if (stays) co_return parser.take_rest();
  deadline.set(kFinishTimeout);
  co_await stream.finish();
  co_return std::nullopt;
}

HttpServer::HttpServer(asio::any_io_executor executor, HttpServerOptions options, Handler handler,
                       runtime::Logger& log)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(handler),
                                   log)) {}

HttpServer::~HttpServer() { impl_->close_all(); }

Task<Status> HttpServer::start() {
  auto impl = impl_;
  auto listen = parse_listen(impl->options.setting, impl->options.listen);
  if (!listen) co_return fail(listen.error());
  if (impl->options.tls) {
    auto context = make_server_tls(*impl->options.tls);
    if (!context) co_return fail(context.error());
    impl->tls = *context;
  }
  for (const auto& host : listen->hosts) {
    Status opened;
    if (host.empty()) {
      opened = impl->open_everywhere(listen->port);
    } else {
      auto found = co_await resolve(host, listen->port, seconds(5));
      opened =
          found ? impl->open(*found) : Status(fail(found.error().within(impl->options.setting)));
    }
    if (!opened) {
      impl->acceptors.clear();
      co_return opened;
    }
  }
  for (auto& acceptor : impl->acceptors) {
    ++impl->running;
    asio::co_spawn(impl->executor, Impl::accept_loop(impl, acceptor),
                   [impl](const std::exception_ptr&) { impl->coroutine_ended(); });
  }
  co_return Status();
}

Task<void> HttpServer::stop() {
  auto impl = impl_;
  impl->close_all();
  while (impl->running > 0) {
    impl->ended.expires_after(seconds(60));
    auto [waited] = co_await impl->ended.async_wait(use_task);
    (void)waited;
  }
}

Status HttpServer::reload_tls(const ServerTls& tls) {
  if (!impl_->options.tls) {
    return fail(Code::invalid, "TLS can not be switched on while listening",
                "Restart to change it.");
  }
  auto context = make_server_tls(tls);
  if (!context) return fail(context.error());
  impl_->tls = *context;
  return {};
}

void HttpServer::set_headers(std::string server, Headers extra) {
  impl_->server_header = std::move(server);
  impl_->extra_headers = std::move(extra);
}

std::uint16_t HttpServer::port() const {
  if (impl_->acceptors.empty()) return 0;
  error_code ec;
  return impl_->acceptors.front().local_endpoint(ec).port();
}

std::size_t HttpServer::connections() const { return impl_->sessions.size(); }

}  // namespace aurum::net
