#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/restore_trial.h"
#include "model/cluster.h"

/// What the members of a cluster tell each other of its restore tests. Pure. Times are seconds
/// since 1970.
namespace aurum::backup {

/// A scheduled try that did not end well.
struct TrialTry {
  std::string node;
  std::int64_t started = 0, ended = 0;
  std::string error;     ///< why
  bool cut_off = false;  ///< it came to no result: its node or agent was lost, or it was stopped
  friend bool operator==(const TrialTry&, const TrialTry&) = default;
};

/// Key kRestoreTestKey: the last test that came to a result, by hand or by the schedule, and what
/// came of the tries since the last good one.
struct TrialState {
  std::optional<RestoreTrial> last;
  std::int64_t good_at = 0;         ///< when the last good one was begun; 0 = none was
  std::optional<TrialTry> running;  ///< lost, when nobody holds the lock
  std::vector<TrialTry> failed;     ///< oldest first, at most kTriesKept
  model::Revision revision = 0;     ///< of the key; 0 = there is none

  void add(RestoreTrial trial);
  void add_failure(TrialTry failure);
};
inline constexpr std::size_t kTriesKept = 5;

/// Key kTrialLockKey, on a lease: who tests.
inline constexpr std::string_view kTrialLockKey = "aurum_backup/test";

model::Value to_value(const TrialTry& one);
std::string encode(const TrialState& state);
/// What does not fit reads as nothing.
TrialState decode_trial_state(std::string_view text);

}  // namespace aurum::backup
