#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/config.h"

struct ssl_ctx_st;
struct ssl_st;
struct bio_st;

namespace aurum::dcs::etcd {

/// Certificates and rules of TLS towards etcd: peer always verified, TLS 1.2 or newer, ALPN "h2".
class TlsContext {
 public:
  /// Reads the files of `config` (cacert; cert and key). Without cacert the system's trust store is
  /// used; without key the key is looked for in cert. Code::invalid, naming setting and file, when
  /// one can not be used.
  static Result<std::shared_ptr<const TlsContext>> load(const model::EtcdConfig& config);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* handle() const { return context_; }

 private:
  TlsContext() = default;
  ssl_ctx_st* context_ = nullptr;
};

/// The TLS side of one client connection, without a socket: bytes in, bytes out.
class TlsSession {
 public:
  /// `host` is the name or numeric address that the peer's certificate must carry.
  TlsSession(const TlsContext& context, const std::string& host);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Takes bytes of the wire ("" to begin), appends what they decrypt to `plain`. An error ends the
  /// session.
  Status receive(std::string_view wire, std::string& plain);
  /// Encrypts; before the handshake is done the text is kept until then.
  Status send(std::string_view plain);
  /// The bytes that are to go to the wire, moved out.
  std::string take_output();

 private:
  Status handshake();

  ssl_st* ssl_ = nullptr;
  bio_st* input_ = nullptr;   // owned by ssl_
  bio_st* output_ = nullptr;  // owned by ssl_
  bool established_ = false;
  std::string waiting_;
};

}  // namespace aurum::dcs::etcd
