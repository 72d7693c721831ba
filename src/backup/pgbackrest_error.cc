#include "backup/pgbackrest_error.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

namespace aurum::backup {
namespace {

struct Known {
  int exit_code;
  Code code;
  std::string_view hint;
};
/// Those that an operator meets (pgBackRest's error codes are its exit codes).
constexpr std::array kKnown{
    Known{26, Code::io, "A file is damaged: run `aurum backup verify`, then take a full backup."},
    Known{28, Code::rejected,
          "The repository belongs to another cluster or version: check the stanza and the path."},
    Known{31, Code::invalid,
          "Check aurum.backup and the file it includes: an option is unknown to "
          "this version, or set twice."},
    Known{32, Code::invalid, "Check aurum.backup and the file it includes."},
    Known{37, Code::invalid, "Check aurum.backup and the file it includes."},
    Known{39, Code::unavailable, "Check pgBackRest's version on both hosts, and that it runs."},
    Known{41, Code::io, "Check that the repository is mounted, and its owner and rights."},
    Known{44, Code::rejected,
          "The archive is of another cluster: give this one a stanza or path of its own."},
    Known{45, Code::exists,
          "Another server archived this file: find out whether two clusters use the stanza."},
    Known{47, Code::io, "Check that the repository is mounted, and its owner and rights."},
    Known{49, Code::unavailable,
          "Check that the repository's host runs `pgbackrest server`, and the certificates."},
    Known{50, Code::exists, "Another pgBackRest works on this stanza: wait until it has ended."},
    Known{51, Code::rejected,
          "The repository holds another cluster's backups: check the stanza and the path."},
    Known{55, Code::not_found, "Check that the repository is mounted; `aurum backup check` tells."},
    Known{56, Code::unavailable,
          "It needs the primary: run it on the leader, and check that PostgreSQL runs."},
    Known{58, Code::rejected, "Check postgresql.data_dir and the port: this is another cluster."},
    Known{62, Code::rejected, "Somebody said `pgbackrest stop`: say `pgbackrest start`."},
    Known{64, Code::io, "Check that the repository has space and may be written."},
    Known{72, Code::invalid, "Run it on the host that holds the repository."},
    Known{73, Code::not_found, "Check that the repository is mounted."},
    Known{75, Code::not_found, "`aurum backup list` shows the backups there are."},
    Known{82, Code::timeout,
          "WAL does not arrive in the repository: `aurum backup check` shows why."},
    Known{87, Code::invalid, "Set archive_mode to on and restart PostgreSQL."},
    Known{95, Code::permission, "Check cipher_pass: the repository has another key."},
    Known{101, Code::unavailable, "The object store failed: try again."},
    Known{103, Code::unavailable, "Check that the repository can be reached and has the stanza."},
    Known{105, Code::permission, "Check the credentials of the repository."},
};

/// Whether a line is the text of a cause: "FileOpenError: unable to …", and where several
/// repositories are asked "repo1: [FileWriteError] unable to …".
std::optional<std::string_view> cause(std::string_view line) {
  const auto begin = line.find_first_not_of(' ');
  if (begin == line.npos || begin == 0) return std::nullopt;
  line.remove_prefix(begin);
  constexpr std::string_view kOfRepository = "Error] ";
  if (const auto at = line.find(kOfRepository); line.starts_with("repo") && at != line.npos)
    return line.substr(at + kOfRepository.size());
  constexpr std::string_view kError = "Error: ";
  const auto at = line.find(kError);
  if (at == line.npos || line.substr(0, at).find(' ') != line.npos) return std::nullopt;
  return line.substr(at + kError.size());
}

std::string_view without_code(std::string_view text) {
  if (text.starts_with("["))
    if (const auto end = text.find("]: "); end != text.npos) text.remove_prefix(end + 3);
  while (text.ends_with(':')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string failure_reason(std::string_view messages) {
  std::string_view error, first_cause;
  while (!messages.empty()) {
    const auto line = messages.substr(0, messages.find('\n'));
    messages.remove_prefix(std::min(line.size() + 1, messages.size()));
    constexpr std::string_view kError = "ERROR: ";
    if (const auto at = line.find(kError); at != line.npos) error = line.substr(at + kError.size());
    const auto text = cause(line);
    // One that ends in a colon is told by the next line.
    if (text && !text->ends_with(':') && first_cause.empty()) first_cause = *text;
  }
  return std::string(first_cause.empty() ? without_code(error) : first_cause);
}

Error explain_failure(std::string_view command, int exit_code, std::string_view messages) {
  const auto known = std::ranges::find(kKnown, exit_code, &Known::exit_code);
  std::string reason = failure_reason(messages);
  if (reason.empty())
    reason = exit_code > 128 ? fmt::format("killed by signal {}", exit_code - 128)
                             : fmt::format("exit code {}", exit_code);
  return {known == kKnown.end() ? Code::internal : known->code,
          fmt::format("pgbackrest {} failed: {}", command, reason),
          std::string(known == kKnown.end() ? "" : known->hint)};
}

}  // namespace aurum::backup
