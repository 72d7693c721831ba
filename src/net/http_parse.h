#pragma once

#include <cstdint>
#include <memory>
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
  HttpRequest take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads one HTTP/1.x response. Bodies without a length end with the connection.
class ResponseParser {
 public:
  explicit ResponseParser(std::size_t body_bytes_max, bool to_head = false);
  ~ResponseParser();

  Status feed(std::string_view bytes);
  /// The connection ended. An error if that was too early.
  Status end();
  bool done() const;
  HttpResponse take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aurum::net
