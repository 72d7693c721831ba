#pragma once

#include <cstdint>
#include <string>

#include "backup/archive_report.h"
#include "backup/catalogue.h"
#include "backup/cluster_backups.h"
#include "model/config.h"
#include "model/lsn.h"

/// What people and programs are shown of the schedule and of archiving. Pure.
namespace aurum::backup {

/// Times, the last and the next run of each kind, what runs now, and failures.
model::Value schedule_value(const model::BackupSchedule& schedule, std::string_view scope,
                            const BackupKeys& keys, std::int64_t now);
/// The restore tests: times, the next one, what runs, the last result, and what failed since.
model::Value trials_value(const model::BackupSchedule& schedule, std::string_view scope,
                          const BackupKeys& keys, std::int64_t now);
/// Marks the backups in `document` (of catalogue_json) that the repository's last good check was
/// behind (verified), and the one that was restored last (restore_tested).
void add_proofs(model::Value& document, const BackupKeys& keys);
/// Up to which of the backups that was, and which one: two lines; "" where there is no backup.
std::string render_proofs(const Catalogue& catalogue, const BackupKeys& keys);
/// The schedule and the tests as lines of at most 80 columns; times in UTC.
std::string render_schedule(const model::BackupSchedule& schedule, std::string_view scope,
                            const BackupKeys& keys, std::int64_t now);

/// WAL between the end of the last archived file and `written`.
std::int64_t archive_lag_bytes(const ArchiveReport& report, model::Lsn written);
/// Age of the oldest finished file that waits; 0 when none does.
double archive_lag_seconds(const ArchiveReport& report, WallTime now);

}  // namespace aurum::backup
