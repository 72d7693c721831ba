#pragma once

#include "backup/restore_plan.h"
#include "cli/restore_options.h"
#include "model/config.h"

namespace aurum::cli {

/// plan_restore() with what the repository holds and what the store knows of the cluster; `view`
/// may be empty, then the repository alone counts.
Result<backup::RestorePlan> plan_from_repository(const model::LocalConfig& config,
                                                 const model::ClusterView& view,
                                                 const RestoreOptions& options, WallTime now);

/// Where the leader writes, as the store knows it.
std::optional<model::Lsn> written_up_to(const model::ClusterView& view);

}  // namespace aurum::cli
