#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// HTTP messages as values; Beast stays behind net/http_server.cc and net/http_client.cc.
namespace aurum::net {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  ///< "GET"
  std::string target;  ///< "/switchover?x=1", as received
  Headers headers;
  std::string body;
  bool has_length = false;   ///< a Content-Length header was there
  std::string peer_address;  ///< numeric address of the caller
  bool tls = false;
  bool has_client_certificate = false;
  std::string client_common_name;

  std::string_view header(std::string_view name) const;  ///< case-insensitive; "" if absent
  std::string_view path() const;                         ///< without the query
  std::string_view query() const;                        ///< behind '?', "" if none
};

struct HttpResponse {
  int status = 200;
  std::string content_type;  ///< "" = no body
  std::string body;
  Headers headers;
  /// Nothing but the status line (§2.1 "status only" replies).
  bool status_only = false;
};

}  // namespace aurum::net
