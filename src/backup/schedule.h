#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/cluster_backups.h"
#include "model/config.h"
#include "model/lsn.h"

/// Which run is due, and who is to do it. Pure: every member asks the same questions of the same
/// keys, and the lock in the store settles who was first. Times are seconds since 1970.
namespace aurum::backup {

/// Who could be backed up, or work on the repository.
struct Source {
  std::string name;
  bool leader = false;
  bool able = false;  ///< runs, is close to the leader, and pgBackRest reaches what it needs
  model::Lsn position;
  bool synchronous = false;  ///< commits wait for it
  bool comes = false;        ///< not able yet, but pgBackRest will reach it once it streams
  friend bool operator==(const Source&, const Source&) = default;
};

/// The cluster as it is now.
struct ClusterNow {
  std::string system_identifier, version;  ///< "15"; "" = not known
  std::int64_t now = 0;
};

struct Due {
  RunKind kind = RunKind::incr;
  std::int64_t since = 0;
  friend bool operator==(const Due&, const Due&) = default;
};

/// What is to be done now, the most important first; nothing while a failure is too fresh.
///  - A full, diff or incr is due when none of its kind or a stronger one was begun since its time;
///    also a full at once when there is no backup at all.
///  - Times that passed unheard count once: one run makes up for all of them.
///  - A run of which nobody knows the end is due again at once.
///  - Stamps from the future (the clock was wrong, then or now) count as never.
std::optional<Due> due_run(const model::BackupSchedule& schedule, std::string_view scope,
                           const ClusterBackups& state, const ClusterNow& cluster);

/// When a kind comes next by its times alone; nothing for one that is switched off.
std::optional<std::int64_t> next_time(const model::BackupSchedule& schedule, std::string_view scope,
                                      RunKind kind, std::int64_t now);

/// When it came last, by the same.
std::optional<std::int64_t> last_time(const model::BackupSchedule& schedule, std::string_view scope,
                                      RunKind kind, std::int64_t now);
/// Whether a good backup was begun by then.
bool has_backup(const ClusterBackups& state, std::int64_t until);
/// Whether a stamp can be believed; one from the future is of a clock that was wrong.
bool is_past(std::int64_t stamp, std::int64_t now);
/// Whether a time has passed unheard.
bool is_missed(std::int64_t since, std::int64_t now);

/// Who is to do it, best first: each waits kTurn_s for those before it. Who failed last is the
/// last. `waited_s`: for how long it has been due and nobody did it.
std::vector<std::string> source_order(const model::BackupSchedule& schedule,
                                      std::vector<Source> sources, RunKind kind,
                                      const ClusterBackups& state, std::int64_t waited_s);
inline constexpr std::int64_t kTurn_s = 15;
/// A named source that does nothing for so long is replaced by others: a backup from another node
/// is better than none.
inline constexpr std::int64_t kNamedGone_s = 900;
/// Behind a failover, or a founding, the standbys are there in seconds: for so long the leader is
/// no source instead of them.
inline constexpr std::int64_t kStandbyComes_s = 30;

/// The times of a kind; nothing for one that is switched off.
const std::optional<model::Cron>& times_of(const model::BackupSchedule& schedule, RunKind kind);

/// Pause before the next try after so many failures in a row.
std::int64_t retry_after_s(int failures);

}  // namespace aurum::backup
