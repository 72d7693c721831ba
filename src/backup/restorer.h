#pragma once

#include <functional>
#include <string>

#include "model/config.h"
#include "model/restore.h"
#include "runtime/async.h"
#include "runtime/pool.h"

namespace aurum::backup {

/// One node's work in the restore of the cluster (core/job.h, RestoreWork). Each part can be begun
/// anew after it was cut off. PostgreSQL does not run, but for check() and backup(). `config` and
/// `pool` outlive this object; without `aurum.backup` in it everything fails.
class Restorer {
 public:
  using Progress = std::function<void(std::string)>;

  Restorer(const model::LocalConfig& config, runtime::Pool& pool) : config_(config), pool_(pool) {}

  runtime::Task<Status> check(model::Restore restore);
  runtime::Task<Status> fetch(model::Restore restore, Progress progress);
  /// Gives what model::Restore::kept says then.
  runtime::Task<Result<std::string>> keep(model::Restore restore);
  runtime::Task<Status> take_back(model::Restore restore);
  runtime::Task<Status> forget(model::Restore restore);
  /// Gives its label.
  runtime::Task<Result<std::string>> backup(Progress progress);

 private:
  Status ready() const;

  const model::LocalConfig& config_;
  runtime::Pool& pool_;
};

}  // namespace aurum::backup
