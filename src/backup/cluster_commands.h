#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "backup/cluster_backups.h"
#include "backup/locked_run.h"
#include "model/config.h"

/// The parts of `aurum backup` that ask the store: each opens it, and leaves it again.
namespace aurum::backup {

/// What the members told each other; within two seconds.
Task<Result<BackupKeys>> read_backup_keys(const model::LocalConfig& config);

/// One backup under the cluster's lock, beside whatever the agents do.
Task<Result<Run>> take_now(const model::LocalConfig& config, RunKind kind, std::string program,
                           OnProgress on_progress);

/// Keeps the result of a restore test by hand beside what the schedule knows.
Task<Status> keep_trial(const model::LocalConfig& config, RestoreTrial trial);

/// Forgets whose backups the stanza has: the next run may begin a new one.
Task<Status> forget_stanza(const model::LocalConfig& config);

/// "[#############                 ]  45 %   1.2 GB  12 s to go", from when it began.
std::string progress_text(const Progress& progress, Duration since);

}  // namespace aurum::backup
