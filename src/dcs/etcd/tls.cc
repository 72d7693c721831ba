#include "dcs/etcd/tls.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/ensure.h"

namespace aurum::dcs::etcd {

namespace {

constexpr std::array<unsigned char, 3> kAlpn = {2, 'h', '2'};

/// The last reason of OpenSSL's error queue, which is emptied.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "openssl error " + std::to_string(code);
}

tl::unexpected<Error> bad_file(std::string_view setting, const std::string& file, std::string why) {
  return fail(Code::invalid,
              "etcd3." + std::string(setting) + ": cannot use '" + file + "': " + why,
              "Check that the file exists, is readable by this user and is in PEM format.");
}

Status readable(std::string_view setting, const std::string& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(std::fopen(file.c_str(), "re"),
                                                               &std::fclose);
  const int error = errno;
  if (!opened) return bad_file(setting, file, std::strerror(error));
  return {};
}

/// Instead of OpenSSL's own, which would ask on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

Status load_trust(SSL_CTX* context, const std::string& cacert) {
  if (cacert.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  if (auto status = readable("cacert", cacert); !status) return status;
  if (SSL_CTX_load_verify_locations(context, cacert.c_str(), nullptr) != 1) {
    return bad_file("cacert", cacert, openssl_reason());
  }
  return {};
}

Status load_identity(SSL_CTX* context, const std::string& cert, const std::string& key_setting) {
  if (cert.empty()) return {};
  const std::string& key = key_setting.empty() ? cert : key_setting;
  if (auto status = readable("cert", cert); !status) return status;
  if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1) {
    return bad_file("cert", cert, openssl_reason());
  }
  if (auto status = readable("key", key); !status) return status;
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file("key", key, openssl_reason());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return bad_file("key", key, "it does not belong to the certificate '" + cert + "'");
  }
  return {};
}

bool is_numeric_address(const std::string& host) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(address);
  ERR_clear_error();
  return address != nullptr;
}

/// Why the handshake or the session failed, with a hint where the cause is usually ours.
Error session_error(SSL* ssl) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    ERR_clear_error();
    return {Code::unavailable,
            std::string("tls: certificate of the server refused: ") +
                X509_verify_cert_error_string(verified),
            "Check etcd3.cacert, and that the certificate names the host of etcd3.hosts."};
  }
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(code);
  Error error{Code::unavailable, "tls: " + openssl_reason(), {}};
  if (reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
      reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
      reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN || reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA) {
    error.hint = "etcd refuses our client certificate: check etcd3.cert and etcd3.key.";
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER) {
    error.hint = "The server does not speak TLS: check etcd3.protocol.";
  }
  return error;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const model::EtcdConfig& config) {
  std::shared_ptr<TlsContext> made(new TlsContext());
  ERR_clear_error();
  made->context_ = SSL_CTX_new(TLS_client_method());
  ensure(made->context_ != nullptr, "openssl can not make a client context");
  SSL_CTX* context = made->context_;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_default_passwd_cb(context, &no_passphrase);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_protos(context, kAlpn.data(), kAlpn.size());
  if (auto status = load_trust(context, config.cacert); !status) return fail(status.error());
  if (auto status = load_identity(context, config.cert, config.key); !status)
    return fail(status.error());
  return made;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsSession::TlsSession(const TlsContext& context, const std::string& host)
    : ssl_(SSL_new(context.handle())), input_(BIO_new(BIO_s_mem())), output_(BIO_new(BIO_s_mem())) {
  ensure(ssl_ != nullptr && input_ != nullptr && output_ != nullptr, "openssl is out of memory");
  SSL_set_bio(ssl_, input_, output_);
  SSL_set_connect_state(ssl_);
  if (is_numeric_address(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_, host.c_str());
    SSL_set1_host(ssl_, host.c_str());
  }
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

Status TlsSession::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return {};
    return fail(session_error(ssl_));
  }
  const unsigned char* protocol = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_, &protocol, &length);
  if (std::string_view(reinterpret_cast<const char*>(protocol), length) != "h2") {
    return fail(Code::unavailable, "tls: the server does not offer HTTP/2 (ALPN h2)",
                "Point etcd3.hosts at etcd itself or at a proxy which passes gRPC through.");
  }
  established_ = true;
  const std::string first = std::exchange(waiting_, {});
  return send(first);
}

Status TlsSession::receive(std::string_view wire, std::string& plain) {
  if (!wire.empty()) BIO_write(input_, wire.data(), static_cast<int>(wire.size()));
  if (!established_) {
    if (auto status = handshake(); !status || !established_) return status;
  }
  std::array<char, 16384> piece;
  for (;;) {
    ERR_clear_error();
    const int got = SSL_read(ssl_, piece.data(), static_cast<int>(piece.size()));
    if (got > 0) {
      plain.append(piece.data(), static_cast<std::size_t>(got));
      continue;
    }
    switch (SSL_get_error(ssl_, got)) {
      case SSL_ERROR_WANT_READ:
        return {};
      case SSL_ERROR_ZERO_RETURN:
        return fail(Code::unavailable, "closed by the server");
      default:
        return fail(session_error(ssl_));
    }
  }
}

Status TlsSession::send(std::string_view plain) {
  if (plain.empty()) return {};
  if (!established_) {
    waiting_ += plain;
    return {};
  }
  ERR_clear_error();
  if (SSL_write(ssl_, plain.data(), static_cast<int>(plain.size())) <= 0)
    return fail(session_error(ssl_));
  return {};
}

std::string TlsSession::take_output() {
  std::string out(BIO_ctrl_pending(output_), '\0');
  if (!out.empty()) BIO_read(output_, out.data(), static_cast<int>(out.size()));
  return out;
}

}  // namespace aurum::dcs::etcd
