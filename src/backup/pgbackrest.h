#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/catalogue.h"
#include "model/cluster.h"
#include "model/config.h"
#include "runtime/process.h"

namespace aurum::backup {

using runtime::Task;

/// Percent of a backup that is copied.
using Percent = std::function<void(double)>;

/// pgBackRest for the stanza of this node: each method runs it once, or a few times, to its end.
/// `config` outlives this object and has `aurum.backup`; its pgbackrest.conf is written
/// (write_pgbackrest_conf). One at a time; cancelling a task ends the program.
class Pgbackrest {
 public:
  explicit Pgbackrest(const model::LocalConfig& config)
      : config_(config), backup_(*config.aurum.backup) {}

  Task<Result<Catalogue>> catalogue();
  /// Creates the stanza when the repository has none, and upgrades it after a pg_upgrade. Only on
  /// the primary (else Code::rejected). Never when this node has seen the stanza before: then the
  /// repository is not mounted, or lost, and a new one would hide that.
  Task<Status> ensure_stanza();
  /// `type`: full, diff or incr; ensure_stanza() comes first. Gives the new backup.
  Task<Result<Backup>> take(std::string type, Percent percent);
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
  Task<Result<Cluster>> local_cluster();
  std::filesystem::path seen_file() const { return backup_.work_dir / "stanza-seen"; }

  const model::LocalConfig& config_;
  const model::BackupConfig& backup_;
};

/// The percentage of a line of `pgbackrest backup` or `restore` ("… backup file /d/base/1/2611
/// (8KB, 45.20%)"); negative for any other.
double percent_of(std::string_view line);

/// What `pgbackrest verify` found wrong, on one line; "" when all is well.
std::string verify_findings(std::string_view output);

/// Which step a stanza needs. Pure; `seen` is the system identifier that this node saw in it last.
enum class StanzaStep { none, create, upgrade };
Result<StanzaStep> stanza_step(const Catalogue& catalogue, int major,
                               std::string_view system_identifier, std::string_view seen);

}  // namespace aurum::backup
