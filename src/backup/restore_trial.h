#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/restore_plan.h"
#include "model/config.h"
#include "runtime/async.h"

/// A restore test: proof that a backup can be restored, and how long that takes.
namespace aurum::backup {

struct RestoreTrialOptions {
  std::filesystem::path dir;  ///< a folder of its own; everything in it goes
  RestorePlan plan;           ///< which backup, and up to where
  std::string node;           ///< who does it
  std::string program;        ///< aurum; "" = ourselves
  std::string database;
  std::vector<std::string> checks;  ///< the user's SQL; the first field of the answer must be true
  std::function<void(std::string)> progress;
};

/// How it went. In the store under kRestoreTestKey, as JSON.
struct RestoreTrial {
  std::string at, node, backup, target;
  bool ok = false;
  std::string error;       ///< why not
  std::int64_t bytes = 0;  ///< of the restored database
  double fetch_s = 0, recover_s = 0, check_s = 0;
  double rto_s = 0;       ///< fetch and recovery: how long a restore takes
  std::string newest;     ///< the last commit in it; "" when there was none
  double rpo_s = 0;       ///< its age: what a restore to the newest would lose
  std::string checksums;  ///< "ok", "off", or what is wrong
  std::string amcheck;    ///< "ok", "not available", or what is wrong
  struct Check {
    std::string sql;
    bool ok = false;
    std::string told;
  };
  std::vector<Check> checks;
};
inline constexpr const char* kRestoreTestKey = "aurum_restore_test";
/// Seconds since 1970; 0 when it is no result.
std::int64_t begun_at(const RestoreTrial& trial);

model::Value to_value(const RestoreTrial& trial);
Result<RestoreTrial> parse_restore_trial(std::string_view text);
/// For `aurum backup list`: "restore test: 2026-11-23 04:00 on b: ok, RTO 12 s, RPO 3 s".
std::string restore_trial_line(const RestoreTrial& trial);
std::string render_restore_trial(const RestoreTrial& trial);

/// This process and what it starts get what CPU and disk others leave, are the first to go where
/// memory runs out, and have the limits of the control group, if one is named: its cgroup.procs
/// must be writable for us.
Status yield_to_others(const std::filesystem::path& cgroup);

/// What must stay free on the disk of the scratch folder, which may be that of the node's own
/// PostgreSQL: a test that would fill it is not begun, and ends when others do.
std::uintmax_t reserve_of(std::uintmax_t capacity);

/// Never an error of its own: what went wrong is in the result. Who is killed in it leaves the
/// scratch folder to sweep_scratch().
runtime::Task<RestoreTrial> try_restore(const model::LocalConfig& config,
                                        RestoreTrialOptions options);

}  // namespace aurum::backup
