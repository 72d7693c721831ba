#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

/// X.509 certificates as values: read, judged, and made by a small authority of our own. Text is
/// PEM; OpenSSL stays behind certificate.cc.
namespace aurum::net {

struct Certificate {
  std::string common_name;
  std::string organization;
  std::string issuer;              ///< its common name
  std::vector<std::string> names;  ///< DNS names and addresses it is good for, sorted
  std::int64_t not_before_s = 0;   ///< since 1970 UTC
  std::int64_t not_after_s = 0;
  bool authority = false;  ///< may sign others
};

/// The first certificate of the text.
Result<Certificate> read_certificate(std::string_view pem);

/// Whether the key is that of the certificate.
Status check_key(std::string_view certificate_pem, std::string_view key_pem);
/// Whether one of the authorities signed it (by the intermediates that follow it in the text).
/// Times are not looked at: an expired certificate is of the right authority.
Status check_authority(std::string_view certificate_pem, std::string_view authorities_pem);

/// What a new certificate shall say.
struct CertificateWish {
  std::string common_name;
  std::string organization;
  std::vector<std::string> names;  ///< DNS names and numeric addresses
  int days = 365;
  bool server = false, client = false;  ///< what it may be used for
};

/// A new private key, P-256.
Result<std::string> make_key();

struct Authority {
  std::string certificate, key;
};
/// Signs itself. With a key it had before, certificates it signed stay good under the new one.
Result<Authority> make_authority(const CertificateWish& wish, std::string key, WallTime now);
/// A certificate for that key. It begins a little before `now`: clocks of others may be behind.
Result<std::string> issue(const Authority& authority, const CertificateWish& wish,
                          std::string_view key, WallTime now);

}  // namespace aurum::net
