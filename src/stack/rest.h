#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "net/tls.h"

namespace aurum::stack {

struct RestReply {
  int status = 0;
  std::string body;
};

struct RestCall {
  std::string host;  ///< numeric IPv4 address
  std::uint16_t port = 0;
  std::string method = "GET";
  std::string path = "/";
  std::string body;                        ///< JSON
  std::string credentials;                 ///< "user:password" for basic authentication; "" = none
  Duration timeout = milliseconds(500);    ///< for the whole exchange
  std::optional<net::ClientTls> tls = {};  ///< https
};

/// One HTTP exchange on a connection of its own, blocking, bounded by its timeout whatever
/// the other side does. For an agent's REST and etcd's JSON gateway on this machine.
Result<RestReply> rest_call(const RestCall& call);

/// RFC 4648 base64, as basic authentication and etcd's JSON gateway want it.
std::string base64(std::string_view bytes);
Result<std::string> from_base64(std::string_view text);

/// The body of an HTTP message as it came over the wire, with "Transfer-Encoding: chunked" undone
/// (RFC 9112 §7.1).
Result<RestReply> parse_http_reply(std::string_view wire);

}  // namespace aurum::stack
