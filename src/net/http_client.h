#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/http.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "runtime/async.h"

namespace aurum::net {

struct Url {
  bool tls = false;
  std::string host;  ///< without brackets
  std::uint16_t port = 0;
  std::string target;  ///< "/patroni?x=1", never empty
  friend bool operator==(const Url&, const Url&) = default;
};
/// "http://h:8008/patroni", "https://[::1]/"; Code::invalid names the URL.
Result<Url> parse_url(std::string_view text);

struct HttpCall {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;  ///< sent with Content-Length unless empty for GET, HEAD, OPTIONS and DELETE
  std::string username, password;  ///< Basic authentication when either is set
  ClientTls tls;                   ///< for https
  TlsContextPtr tls_context;       ///< made of them before: spares reading the files at each call
  Duration timeout = seconds(2);   ///< of all, name resolution included
  std::size_t body_bytes_max = 4 * 1024 * 1024;
};

/// One request on a connection of its own, on the awaiting coroutine's executor. Redirects are not
/// followed; any status is a result. Errors:
///  - invalid          the URL or the TLS files
///  - unavailable      not resolved, refused, unreachable or not connected in time: nothing was
///  sent
///  - permission       the TLS handshake failed: their certificate or ours
///  - timeout          GET, HEAD, OPTIONS: sent, and no whole reply in time
///  - unknown_outcome  other methods: sent, and no whole reply came
///  - io, protocol     GET, HEAD, OPTIONS: the connection broke; the reply makes no sense
runtime::Task<Result<HttpResponse>> http_call(HttpCall call);

/// A connection to one server (scheme, host and port) that stays open between calls, for those who
/// must be heard also when names do not resolve and a handshake takes its time. Requests sent by it
/// may arrive twice. Lives on one io_context and thread.
class HttpLink {
 public:
  using Resolver = std::function<runtime::Task<Result<std::vector<Endpoint>>>(
      std::string, std::uint16_t, Duration)>;

  explicit HttpLink(Resolver resolver = resolve);
  HttpLink(const HttpLink&) = delete;
  HttpLink& operator=(const HttpLink&) = delete;

  /// As http_call(), but "Connection: keep-alive". Where a connection is open it has half of the
  /// time; what it does not answer then is sent again on a new one. A call while another is under
  /// way has a connection of its own. A host whose name does not resolve is looked for where it was
  /// last, if it had kept that connection open.
  runtime::Task<Result<HttpResponse>> call(HttpCall call);
  bool open() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< a call under way holds it too, and may outlive the link
};

}  // namespace aurum::net
