#pragma once

#include <functional>
#include <string>

#include "backup/restorer.h"
#include "core/event.h"
#include "core/job.h"
#include "model/config.h"
#include "pg/postgres.h"
#include "runtime/async.h"

namespace aurum::agent {

/// Carries out one job of the core by the functions of pg/ and backup/. `progress` may be called
/// any number of times before the end. Cancelling the coroutine cancels the job.
runtime::Task<Result<core::JobResult>> run_job(pg::Postgres& postgres, backup::Restorer restorer,
                                               core::Job job, model::DynamicConfig dynamic,
                                               std::function<void(std::string)> progress);

}  // namespace aurum::agent
