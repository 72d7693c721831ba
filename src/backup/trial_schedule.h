#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/schedule.h"
#include "backup/trial_state.h"

/// When the cluster's restore test is due, and who does it. Pure: every member asks the same
/// questions of the same keys. Times are seconds since 1970.
namespace aurum::backup {

/// Since when a test is due; nothing when none is, or a failure is too fresh.
///  - One good test since its time is enough, also one that was made by hand.
///  - It proves the backups that were there at its time: without any it is not due.
///  - What failed, or was cut off, is tried again after pauses, by another node where there is one;
///    then no more before the next time. A test that kills its node must not go round.
///  - Stamps from the future (the clock was wrong, then or now) count as never.
std::optional<std::int64_t> trial_due(const model::BackupSchedule& schedule, std::string_view scope,
                                      const ClusterBackups& backups, const TrialState& trials,
                                      std::int64_t now);
/// For how long the schedule has wanted a good test that was not made, whatever the reason; for the
/// alert.
std::int64_t trial_late_s(const model::BackupSchedule& schedule, std::string_view scope,
                          const ClusterBackups& backups, const TrialState& trials,
                          std::int64_t now);

/// Who is to do it, best first: each waits kTurn_s for those before it. `wanted`: the member that
/// patroni.yml names, "" = any. `others_known`: the cluster has, or had, other members.
///  - A replica: an asynchronous one before a synchronous one, and that which is farthest behind
///    first, as it would lead last.
///  - The leader only when it is alone, and stays so for kAlone_s where others are known.
///  - Who failed last is the last.
std::vector<std::string> trial_order(std::string_view wanted, std::vector<Source> sources,
                                     const TrialState& trials, bool others_known,
                                     std::int64_t waited_s);
inline constexpr std::int64_t kAlone_s = 3600;

}  // namespace aurum::backup
