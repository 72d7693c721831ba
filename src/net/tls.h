#pragma once

#include <memory>
#include <string>

#include "base/result.h"

/// TLS settings as values and the contexts made of them. OpenSSL stays behind net/tls_context.h.
namespace aurum::net {

class TlsContext;
/// Shared by the server and the connections which were accepted with it: a reload must not end
/// those.
using TlsContextPtr = std::shared_ptr<TlsContext>;

enum class VerifyClient { none, optional, required };
/// "none" | "optional" | "required"; anything else is Code::invalid.
Result<VerifyClient> parse_verify_client(std::string_view text);

struct ServerTls {
  std::string certfile;          ///< PEM chain; may hold the key too
  std::string keyfile;           ///< "" = certfile
  std::string keyfile_password;  ///< "" = the key is not encrypted
  std::string cafile;            ///< of client certificates
  std::string ciphers;           ///< OpenSSL cipher list for TLS 1.2; "" = OpenSSL's default
  VerifyClient verify_client = VerifyClient::none;
  friend bool operator==(const ServerTls&, const ServerTls&) = default;
};

struct ClientTls {
  std::string cafile;  ///< "" = the system's
  std::string certfile, keyfile, keyfile_password;
  bool verify_peer = true;   ///< false: any certificate will do (`ctl.insecure`)
  bool verify_host = false;  ///< the daemon does not compare names (§2.7)
  friend bool operator==(const ClientTls&, const ClientTls&) = default;
};

/// TLS 1.2 and later. Every error names the setting and the file; a password is never asked for at
/// a terminal.
Result<TlsContextPtr> make_server_tls(const ServerTls& tls);
Result<TlsContextPtr> make_client_tls(const ClientTls& tls);

}  // namespace aurum::net
