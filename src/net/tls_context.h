#pragma once

#include <boost/asio/ssl/context.hpp>

#include "net/tls.h"

/// Heavy (OpenSSL): for the .cc files which open TLS streams only.
namespace aurum::net {

class TlsContext {
 public:
  explicit TlsContext(boost::asio::ssl::context context) : context_(std::move(context)) {}
  boost::asio::ssl::context& native() { return context_; }
  bool verify_host() const { return verify_host_; }
  void set_verify_host(bool on) { verify_host_ = on; }

 private:
  boost::asio::ssl::context context_;
  bool verify_host_ = false;
};

}  // namespace aurum::net
