#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/ensure.h"
#include "base/testing/temp_dir.h"

/// Throw-away authorities and certificates for tests of TLS.
namespace aurum::net::testing {

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(std::FILE* p) const { std::fclose(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

struct Identity {
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
};

/// Signed by `issuer`, or by itself when null. Valid for an hour; good for localhost and 127.0.0.1.
inline Identity make_identity(const std::string& common_name, const Identity* issuer, long serial) {
  Identity out;
  out.key.reset(EVP_EC_gen("P-256"));
  out.certificate.reset(X509_new());
  X509* x = out.certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
  X509_gmtime_adj(X509_getm_notBefore(x), -60);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_set_pubkey(x, out.key.get());
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509* issuer_certificate = issuer == nullptr ? x : issuer->certificate.get();
  X509_set_issuer_name(x, X509_get_subject_name(issuer_certificate));
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer_certificate, x, nullptr, nullptr, 0);
  auto add = [&](int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    ensure(extension != nullptr, "a certificate extension can be made");
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  };
  add(NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  add(NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  EVP_PKEY* signer = issuer == nullptr ? out.key.get() : issuer->key.get();
  ensure(X509_sign(x, signer, EVP_sha256()) > 0, "a certificate can be signed");
  return out;
}

inline void write_certificate(const Identity& who, const std::filesystem::path& to) {
  Owned<std::FILE> file(std::fopen(to.c_str(), "w"));
  ensure(file != nullptr && PEM_write_X509(file.get(), who.certificate.get()) == 1,
         "certificate written");
}

/// `password` "" = not encrypted.
inline void write_key(const Identity& who, const std::filesystem::path& to,
                      const std::string& password = "") {
  Owned<std::FILE> file(std::fopen(to.c_str(), "w"));
  const auto* secret = reinterpret_cast<const unsigned char*>(password.c_str());
  ensure(file != nullptr &&
             PEM_write_PrivateKey(file.get(), who.key.get(),
                                  password.empty() ? nullptr : EVP_aes_256_cbc(),
                                  password.empty() ? nullptr : secret,
                                  static_cast<int>(password.size()), nullptr, nullptr) == 1,
         "key written");
}

/// Into `dir`, which is made: an authority `ca`, and `cert` and `key` (for its owner alone) of
/// "localhost", for both ends of a connection.
inline void write_localhost_pair(const std::filesystem::path& dir) {
  std::filesystem::create_directories(dir);
  const Identity ca = make_identity("authority", nullptr, 1);
  const Identity both = make_identity("localhost", &ca, 2);
  write_certificate(ca, dir / "ca");
  write_certificate(both, dir / "cert");
  write_key(both, dir / "key");
  std::filesystem::permissions(
      dir / "key", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

/// A directory with ca.crt, server.{crt,key}, client.{crt,key} and encrypted.key (password
/// "sesame", the server's); stranger.{crt,key} is of another authority. Removed at the end.
class CertificateDir {
 public:
  CertificateDir() {
    Identity ca = make_identity("test authority", nullptr, 1);
    Identity server = make_identity("localhost", &ca, 2);
    Identity client = make_identity("alice", &ca, 3);
    Identity stranger = make_identity("stranger", nullptr, 4);
    write_certificate(ca, dir_ / "ca.crt");
    write_certificate(server, dir_ / "server.crt");
    write_key(server, dir_ / "server.key");
    write_key(server, dir_ / "encrypted.key", "sesame");
    write_certificate(client, dir_ / "client.crt");
    write_key(client, dir_ / "client.key");
    write_certificate(stranger, dir_ / "stranger.crt");
    write_key(stranger, dir_ / "stranger.key");
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

 private:
  aurum::testing::TempDir dir_;
};

}  // namespace aurum::net::testing
