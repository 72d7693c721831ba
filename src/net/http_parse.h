#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace aurum::net {

/// Reads one HTTP/1.x request from bytes as they come. Bounded by its two limits.
class RequestParser {
 public:
  RequestParser(std::size_t header_bytes_max, std::size_t body_bytes_max);
  ~RequestParser();

  void feed(std::string_view bytes);
  bool done() const;  ///< the request is complete, or failed
  bool failed() const;
  const HttpResponse& error() const;  ///< the page to answer with, when failed
  /// Before take(): the minor version of HTTP in which the caller asks for the connection to stay
  /// open. Only who says "Connection: keep-alive" asks (docs/decisions/0015).
  std::optional<int> kept() const;
  HttpRequest take();
  /// After take(): what came behind the request, which is the next one's beginning.
  std::string take_rest();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The bytes of a reply on a connection that stays open: with a length, in the caller's version.
std::string render_kept_reply(const HttpResponse& response, int minor_version,
                              std::string_view server, std::string_view date, const Headers& extra);

/// Reads one HTTP/1.x response. Bodies without a length end with the connection.
class ResponseParser {
 public:
  explicit ResponseParser(std::size_t body_bytes_max, bool to_head = false);
  ~ResponseParser();

  Status feed(std::string_view bytes);
  /// The connection ended. An error if that was too early.
  Status end();
  bool done() const;
  /// Before take(), once done(): the server lets the connection stand, and nothing came behind.
  bool kept() const;
  HttpResponse take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aurum::net
