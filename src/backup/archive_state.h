#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "model/value.h"

/// What is remembered from one archive_command or restore_command to the next, and the circuit
/// breaker made of it. Pure.
namespace aurum::backup {

/// Kept as JSON in the run directory: archive-push.json, archive-get.json. Metrics and `aurum
/// backup check` read it too.
struct ArchiveState {
  std::string ok_file;  ///< the last that went well
  WallTime ok_at;
  /// Since the last success. A repository that does not have a file has answered: no failure.
  int failures = 0;
  int openings = 0;
  WallTime failing_since;
  std::string failed_file, error;
  /// The breaker: until then nobody asks the repository.
  Instant open_until;
  /// archive-get: what the repository did not have when it was last asked.
  std::string missing_file;
  Instant missing_at;

  friend bool operator==(const ArchiveState&, const ArchiveState&) = default;
};

model::Value to_value(const ArchiveState& state);
/// What does not fit reads as nothing: a damaged file must not stop archiving.
ArchiveState parse_archive_state(std::string_view text);

/// Whether the repository is left alone now. A time too far off is of another boot and means
/// nothing.
bool breaker_is_open(const ArchiveState& state, Instant now);

/// How a call to pgBackRest ended, for the breaker.
enum class Failure {
  answered,  ///< it ended by itself, with an error
  hung,      ///< it had to be ended: the next one would only wait as long
};

void note_success(ArchiveState& state, std::string_view file, WallTime now);
/// The repository answered that it does not have the file.
void note_missing(ArchiveState& state, std::string_view file, Instant now);
/// Opens the breaker: after one that hung for longer each time, up to 30 s; after three errors in a
/// row for 5 s, which is less than PostgreSQL pauses then.
void note_failure(ArchiveState& state, std::string_view file, std::string_view error,
                  Failure failure, Instant now, WallTime wall);

/// Whether it was not there a moment ago. A standby without its primary asks ten times a second.
bool known_missing(const ArchiveState& state, std::string_view file, Instant now);

}  // namespace aurum::backup
