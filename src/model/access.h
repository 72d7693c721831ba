#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace aurum::model {

/// What somebody may do by the REST API; each role may do all that those before it may.
///   viewer     read what tells more than health checks and metrics
///   operator   switch over, restart, pause, change settings that run nothing
///   admin      change what runs commands or lets people in, and passwords
enum class AccessRole { none, viewer, operator_, admin };

std::string_view to_string(AccessRole role);  ///< "operator"
std::optional<AccessRole> parse_access_role(std::string_view text);

/// What a token may look like: a header of HTTP carries it unchanged, and nobody guesses it.
bool is_token(std::string_view text);

/// One of `aurum.access`: who has the role. Either a certificate or a token.
struct AccessEntry {
  AccessRole role = AccessRole::none;
  std::string name;         ///< in the log; default: the certificate's, or that of the token's file
  std::string certificate;  ///< common name of a client certificate of restapi.cafile
  std::string token_file;
  /// The second one is as good while the token is changed (model/secret_file.h); "" = none.
  std::string token, other_token;
  friend bool operator==(const AccessEntry&, const AccessEntry&) = default;
};

}  // namespace aurum::model
