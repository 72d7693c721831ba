#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/result.h"
#include "base/time.h"
#include "net/http.h"
#include "net/tls.h"
#include "runtime/async.h"
#include "runtime/log.h"

namespace aurum::net {

using runtime::Task;
using Handler = std::function<Task<HttpResponse>(HttpRequest)>;

struct HttpServerOptions {
  /// "host:port", "a,b:port", "[::1]:port"; host "" or "*" = every address, IPv6 and IPv4. Port 0 =
  /// any free one.
  std::string listen;
  std::optional<ServerTls> tls;
  std::string setting = "restapi.listen";  ///< what errors call `listen`

  Duration handshake_timeout = seconds(5);
  Duration request_timeout =
      seconds(10);  ///< from accept (TLS: from the handshake) to the last byte of the request
  Duration reply_timeout = seconds(10);
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 1024 * 1024;
  std::size_t connections_max = 128;
};

/// Serves HTTP/1.0 as PATRONI_COMPAT §2.1 wants it: one request and one reply a connection; more
/// for a caller who asks for it by "Connection: keep-alive" (docs/decisions/0015). Lives
/// on one io_context and thread. start() once, then stop() and await it before the handler's owner
/// goes; the destructor ends all connections without waiting.
///
/// When connections_max is reached, the connection that has kept its request back longest makes
/// room for the new one; if all of them are being answered, the new one gets 503.
class HttpServer {
 public:
  HttpServer(boost::asio::any_io_executor executor, HttpServerOptions options, Handler handler,
             runtime::Logger& log);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Reads the certificates, then opens the listeners: all or none.
  Task<Status> start();
  Task<void> stop();

  /// Changes certificates for connections to come; the listeners and open connections stay. On an
  /// error the old ones stay in use. A server started plain can not become TLS by this, nor the
  /// other way round: Code::invalid.
  Status reload_tls(const ServerTls& tls);
  /// The Server header and the headers added to every full reply but error pages.
  void set_headers(std::string server, Headers extra);

  /// The port listened on; useful with port 0.
  std::uint16_t port() const;
  std::size_t connections() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  ///< its coroutines hold it too
};

}  // namespace aurum::net
