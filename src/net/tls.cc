#include "net/tls.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls_context.h"

namespace aurum::net {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

constexpr std::string_view kCheckFile =
    "Check the path and that the user this program runs as may read the file.";

Status check_readable(std::string_view setting, const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return fail(Code::io,
                fmt::format("{}: cannot read {}: {}", setting, path, std::strerror(errno)),
                std::string(kCheckFile));
  }
  char byte = 0;
  auto n = ::read(fd, &byte, 1);
  int why = errno;
  ::close(fd);
  if (n < 0) {
    return fail(Code::io, fmt::format("{}: cannot read {}: {}", setting, path, std::strerror(why)),
                std::string(kCheckFile));
  }
  if (n == 0) return fail(Code::invalid, fmt::format("{}: {} is empty", setting, path));
  return {};
}

unsigned long error_number(const error_code& ec) { return static_cast<unsigned long>(ec.value()); }

std::string openssl_reason(const error_code& ec) {
  const char* text = ERR_reason_error_string(error_number(ec));
  return text != nullptr ? text : ec.message();
}

Status load_key_pair(ssl::context& context, const std::string& certfile, const std::string& keyfile,
                     const std::string& password) {
  const std::string& key = keyfile.empty() ? certfile : keyfile;
  const std::string_view key_setting = keyfile.empty() ? "certfile" : "keyfile";
  auto readable = check_readable("certfile", certfile);
  if (!readable) return readable;
  readable = check_readable(key_setting, key);
  if (!readable) return readable;

  error_code ec;
  context.use_certificate_chain_file(certfile, ec);
  if (ec) {
    return fail(
        Code::invalid,
        fmt::format("certfile: {} holds no usable certificate: {}", certfile, openssl_reason(ec)),
        "It must be a certificate in PEM form, the server's own first, then its issuers.");
  }
  // Always set: without it OpenSSL would ask at the terminal and wait there for ever.
  context.set_password_callback(
      [password](std::size_t, ssl::context::password_purpose) { return password; }, ec);
  context.use_private_key_file(key, ssl::context::pem, ec);
  if (ec && ERR_GET_LIB(error_number(ec)) == ERR_LIB_X509) {
    return fail(Code::invalid, fmt::format("{}: {} does not belong to the certificate {}",
                                           key_setting, key, certfile));
  }
  if (ec) {
    return fail(
        Code::invalid,
        fmt::format("{}: {} holds no usable private key: {}", key_setting, key, openssl_reason(ec)),
        password.empty() ? "If the key is encrypted, set keyfile_password."
                         : "Is keyfile_password right?");
  }
  return {};
}

Status load_authorities(ssl::context& context, std::string_view setting,
                        const std::string& cafile) {
  auto readable = check_readable(setting, cafile);
  if (!readable) return readable;
  error_code ec;
  context.load_verify_file(cafile, ec);
  if (ec) {
    return fail(Code::invalid, fmt::format("{}: {} holds no usable certificate: {}", setting,
                                           cafile, openssl_reason(ec)));
  }
  return {};
}

Result<TlsContextPtr> fill_server(const ServerTls& tls) {
  ssl::context context(ssl::context::tls_server);
  context.set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                      ssl::context::no_tlsv1_1 | ssl::context::single_dh_use);
  // Each connection carries one request: tickets and a session cache would only cost.
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_OFF);
  auto loaded = load_key_pair(context, tls.certfile, tls.keyfile, tls.keyfile_password);
  if (!loaded) return fail(loaded.error());
  if (!tls.ciphers.empty() &&
      SSL_CTX_set_cipher_list(context.native_handle(), tls.ciphers.c_str()) != 1) {
    ERR_clear_error();
    return fail(Code::invalid, fmt::format("ciphers: no known cipher in '{}'", tls.ciphers),
                "`openssl ciphers -v` lists the names.");
  }
  if (!tls.cafile.empty()) {
    auto authorities = load_authorities(context, "cafile", tls.cafile);
    if (!authorities) return fail(authorities.error());
  }
  if (tls.verify_client == VerifyClient::none) {
    context.set_verify_mode(ssl::verify_none);
    return std::make_shared<TlsContext>(std::move(context));
  }
  if (tls.cafile.empty()) {
    return fail(
        Code::invalid, "cafile: missing, but verify_client asks for client certificates",
        "Set cafile to the certificate of the authority which issued the clients' certificates.");
  }
  SSL_CTX_set_client_CA_list(context.native_handle(), SSL_load_client_CA_file(tls.cafile.c_str()));
  context.set_verify_mode(tls.verify_client == VerifyClient::required
                              ? ssl::verify_peer | ssl::verify_fail_if_no_peer_cert
                              : ssl::verify_mode(ssl::verify_peer));
  return std::make_shared<TlsContext>(std::move(context));
}

Result<TlsContextPtr> fill_client(const ClientTls& tls) {
  ssl::context context(ssl::context::tls_client);
  context.set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                      ssl::context::no_tlsv1_1);
  if (!tls.certfile.empty()) {
    auto loaded = load_key_pair(context, tls.certfile, tls.keyfile, tls.keyfile_password);
    if (!loaded) return fail(loaded.error());
  }
  if (!tls.cafile.empty()) {
    auto authorities = load_authorities(context, "cafile", tls.cafile);
    if (!authorities) return fail(authorities.error());
  } else {
    error_code ec;
    context.set_default_verify_paths(ec);
    if (ec)
      return fail(Code::io, "cannot load the system's certificate authorities: " + ec.message());
  }
  context.set_verify_mode(tls.verify_peer ? ssl::verify_peer : ssl::verify_none);
  auto made = std::make_shared<TlsContext>(std::move(context));
  made->set_verify_host(tls.verify_peer && tls.verify_host);
  return made;
}

}  // namespace

Result<VerifyClient> parse_verify_client(std::string_view text) {
  if (text.empty() || text == "none") return VerifyClient::none;
  if (text == "optional") return VerifyClient::optional;
  if (text == "required") return VerifyClient::required;
  return fail(Code::invalid, fmt::format("verify_client: unknown value '{}'", text),
              "Use none, optional or required.");
}

Result<TlsContextPtr> make_server_tls(const ServerTls& tls) {
  try {
    return fill_server(tls);
  } catch (const std::exception& e) {
    return fail(Code::internal, fmt::format("tls: {}", e.what()));
  }
}

Result<TlsContextPtr> make_client_tls(const ClientTls& tls) {
  try {
    return fill_client(tls);
  } catch (const std::exception& e) {
    return fail(Code::internal, fmt::format("tls: {}", e.what()));
  }
}

}  // namespace aurum::net
