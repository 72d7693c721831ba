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

/// What a job tells before its end.
struct JobNews {
  std::function<void(std::string)> progress;    ///< any number of times
  std::function<void(model::Lsn)> last_record;  ///< core::LastRecordWritten
  std::function<void()> promotion;              ///< the server is about to be told
};

/// Carries out one job of the core by the functions of pg/ and backup/. Cancelling the coroutine
/// cancels the job.
runtime::Task<Result<core::JobResult>> run_job(pg::Postgres& postgres, backup::Restorer restorer,
                                               core::Job job, model::DynamicConfig dynamic,
                                               JobNews news);

}  // namespace aurum::agent
