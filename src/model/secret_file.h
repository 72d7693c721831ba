#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aurum::model {

/// The file of one password. Its first line is the password in use; a second one is there only
/// while the password is changed (docs/decisions/0018):
///
///     s3cret
///     next: n3w-s3cret
///
/// "next: " holds what will be in use, "previous: " what was. Both are tried, and both are taken
/// from a caller, so that the two sides of a connection need not change in the same moment. The
/// word says in which direction the change goes, whoever reads the file.
struct SecretFile {
  std::string in_use, next, previous;  ///< at most one of the last two
  /// The second line's password; "" when there is none.
  const std::string& other() const { return next.empty() ? previous : next; }
  friend bool operator==(const SecretFile&, const SecretFile&) = default;
};

/// Never shows the content in an error.
Result<SecretFile> parse_secret_file(std::string_view text);
/// Errors name the file.
Result<SecretFile> load_secret_file(const std::filesystem::path& file);
std::string render_secret_file(const SecretFile& secret);

/// Good as a new password: what libpq, pgpass files, HTTP and a line of a file all carry unchanged,
/// and nobody guesses.
Status check_new_password(std::string_view password);

}  // namespace aurum::model
