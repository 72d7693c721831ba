#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

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
  std::string reason;        ///< "" = reason_phrase(status)
  std::string content_type;  ///< "" = no body
  std::string body;
  Headers headers;  ///< a server writes them between Date and Content-Type
  /// Nothing but the status line (§2.1 "status only" replies).
  bool status_only = false;
  /// A page of error_page(): written with Connection and Content-Length, without a server's extra
  /// headers.
  bool framework_error = false;

  std::string_view header(std::string_view name) const;  ///< case-insensitive; "" if absent
};

/// "Service Unavailable" for 503; "Unknown" for a number nobody registered (RFC 9110 §15).
std::string_view reason_phrase(int status);

/// The small HTML page of §2.1 for what goes wrong before a handler has a say. `message` "" = the
/// reason phrase.
HttpResponse error_page(int status, std::string_view message = {});

/// The bytes of a reply as HTTP/1.0 (§2.1). `date`: RFC 9110 §5.6.7 form; `extra`: written behind
/// Content-Type.
std::string render_reply(const HttpResponse& response, std::string_view server,
                         std::string_view date, const Headers& extra);
/// "Sun, 22 Nov 2026 21:13:46 GMT"
std::string http_date(std::int64_t epoch_s);

/// "a=1&b=%20x" decoded, in order; '+' is a blank. A name without '=' has the value "".
Headers parse_query(std::string_view query);

std::string base64_encode(std::string_view bytes);
/// Standard alphabet; padding may be missing. Anything else is Code::invalid.
Result<std::string> base64_decode(std::string_view text);

/// Value of the Authorization header for these credentials (RFC 7617).
std::string basic_credentials(std::string_view user, std::string_view password);

bool equal_ignoring_case(std::string_view a, std::string_view b);
/// GET, HEAD or OPTIONS: asks, and changes nothing (RFC 9110 §9.2.1).
bool is_read(std::string_view method);

}  // namespace aurum::net
