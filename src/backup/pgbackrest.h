#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/catalogue.h"
#include "model/cluster.h"
#include "model/config.h"
#include "runtime/process.h"

namespace aurum::backup {

using runtime::Task;

/// Percent of what is copied.
using Percent = std::function<void(double)>;

/// How far a backup is.
struct Progress {
  double percent = 0;
  std::int64_t bytes = 0;  ///< of the database, looked at so far
};
using OnProgress = std::function<void(const Progress&)>;

/// What ends pgBackRest when its permission ends or its starter dies (run_deadline.h).
struct RunGuard {
  std::string program;          ///< ourselves
  std::filesystem::path until;  ///< RunDeadline::file()
};

/// pgBackRest for the stanza of this node: each method runs it once, or a few times, to its end.
/// `config` outlives this object and has `aurum.backup`; its pgbackrest.conf is written
/// (write_pgbackrest_conf). One at a time; cancelling a task ends the program.
class Pgbackrest {
 public:
  explicit Pgbackrest(const model::LocalConfig& config)
      : config_(config), backup_(*config.aurum.backup) {}

  /// The whole of `pgbackrest` commands from now on.
  void guard_with(RunGuard guard) { guard_ = std::move(guard); }
  /// Whose backups the stanza has, as the cluster remembers it; this node's own memory counts too.
  void remember(std::string system_identifier) { seen_ = std::move(system_identifier); }

  Task<Result<Catalogue>> catalogue();
  /// Creates the stanza when the repository has none, and upgrades it after a pg_upgrade. Only on
  /// the primary (else Code::rejected). Never when the stanza was seen before: then the repository
  /// is not mounted, or lost, and a new one would hide that.
  Task<Status> ensure_stanza();
  /// `type`: full, diff or incr; on the primary ensure_stanza() comes first. Into each repository
  /// in turn, WAL going to all of them anyway. Gives the first of the new backups; an error, when
  /// one of them could not be taken.
  Task<Result<Backup>> take(std::string type, OnProgress on_progress);
  /// A WAL file of any timeline, also from outside of pg_wal.
  Task<Status> push(std::filesystem::path file);
  /// Names of the files of a folder of the repository.
  Task<Result<std::vector<std::string>>> list_repository(std::string folder);
  /// Makes a data directory of a backup, taking what stands in it already where it is the same; can
  /// be begun anew after it was cut off. Up to where WAL is replayed then, is the caller's to say.
  Task<Status> restore(std::string label, std::filesystem::path into, Percent percent);
  /// Of the archived history file; Code::not_found.
  Task<Result<model::History>> history(model::Timeline timeline);
  /// Archives a WAL file and waits until the repository has it. On the primary.
  Task<Status> check();
  Task<Status> expire();
  /// Code::io when something is damaged or missing, named in the message.
  Task<Status> verify();

 private:
  struct Cluster {
    int major = 0;
    std::string system_identifier;
  };
  /// What it printed, when it ended well.
  Task<Result<std::string>> run(std::string command, std::vector<std::string> options,
                                std::function<void(std::string_view)> on_line = {});
  Task<Result<Backup>> take_one(std::vector<std::string> options, const OnProgress& on_progress);
  /// The option for each; none where there is one repository.
  std::vector<std::vector<std::string>> each_repository() const;
  Task<Result<Cluster>> local_cluster();
  bool is_standby() const;
  std::filesystem::path seen_file() const { return backup_.work_dir / "stanza-seen"; }

  const model::LocalConfig& config_;
  const model::BackupConfig& backup_;
  std::optional<RunGuard> guard_;
  std::string seen_;
};

/// The percentage of a line of `pgbackrest backup` or `restore` ("… backup file /d/base/1/2611
/// (8KB, 45.20%)"); negative for any other.
double percent_of(std::string_view line);
/// The size in such a line, in bytes; 0 for any other.
std::int64_t size_of(std::string_view line);

/// Of the backup that `pgbackrest backup` says it made; "" when it says nothing of it.
std::string new_label(std::string_view output);

/// What `pgbackrest verify` found wrong, on one line; "" when all is well.
std::string verify_findings(std::string_view output);

/// Which step a stanza needs. Pure; `seen` is the system identifier that this node saw in it last.
enum class StanzaStep { none, create, upgrade };
Result<StanzaStep> stanza_step(const Catalogue& catalogue, int major,
                               std::string_view system_identifier, std::string_view seen);

}  // namespace aurum::backup
