#pragma once

#include <string>
#include <string_view>

namespace aurum::pg {

/// Whether the server that keeps `secret` (pg_authid.rolpassword) lets the role in with this
/// password: computed here, so that nothing has to log in to know. Knows SCRAM-SHA-256 (RFC 5802,
/// 7677) and PostgreSQL's older md5.
bool takes_password(std::string_view secret, std::string_view role, std::string_view password);

/// The same text for the same password and salt only; what a password is can not be told from it
/// but by trying. Lets two hosts compare what they hold without sending it.
std::string password_fingerprint(std::string_view password, std::string_view salt);

}  // namespace aurum::pg
