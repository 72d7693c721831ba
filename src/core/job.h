#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/postgres.h"
#include "model/restore.h"

/// Work that takes time: the core starts it, sees how it ends, never waits for it. pg/ does it.
namespace aurum::core {

using JobId = std::uint64_t;

/// initdb into the empty data directory (or the custom bootstrap method). Result: Initialized.
struct InitDb {};
/// Roles, passwords and the user's post_bootstrap script, on the running new primary.
struct PostBootstrap {
  /// Nothing but the directory's mark of an unfinished founding, which goes: the store has this
  /// cluster.
  bool only_mark = false;
};
/// Fills the empty data directory from one of `sources` by create_replica_methods.
struct Clone {
  std::vector<model::Upstream> sources;   ///< in order of preference
  bool only_basebackup = false;           ///< reinit --from-leader
  std::vector<std::string> methods = {};  ///< instead of this node's create_replica_methods
};
/// Writes the configuration and starts the server; ends when it accepts connections, or with an
/// error.
struct StartPg {
  model::PgTarget target;
  Duration timeout{};  ///< then Code::timeout, and the server may still be starting
};
struct StopPg {
  model::StopMode mode = model::StopMode::fast;
  Duration timeout{};  ///< then it goes on in mode immediate, and at last kills
  bool checkpoint_first = false;
  /// Commits once more before, and ends the WAL file: a recovery to a time needs a commit behind
  /// it.
  bool mark_end = false;
  bool tell_last_record = false;  ///< LastRecordWritten, before what is left of it has ended
};
struct RestartPg {
  model::PgTarget target;
  Duration timeout{};
};
/// Writes the configuration and reloads if something changed. Result: Configured.
struct Configure {
  model::PgTarget target;
  bool reload = false;  ///< also when nothing changed: files that the server reads itself may have
};
/// Promotes; ends when the server is writable. Before it, pre_promote (its failure:
/// Code::cancelled).
struct Promote {
  /// The new timeline must be greater: numbers up to here may be of others' promotions. Two
  /// branches of one number can not be told apart: pg_rewind sees nothing to do, and one streams
  /// from the other.
  model::Timeline above = 0;
};
struct Checkpoint {
  bool ahead = false;  ///< of a promotion: a restartpoint
};
/// Asks the upstream how far it is, and our own standby what it has replayed. Result: Inspected.
struct Inspect {
  model::Upstream upstream;
  std::string own_run;  ///< postmaster_start_time of our standby; "" = it is not asked
};
/// Brings a crashed data directory to a clean end in single-user mode.
struct CrashRecovery {};
struct Rewind {
  model::Upstream source;
};
/// Removes the data directory's content, or moves it aside. Only after the core named a source to
/// clone from.
struct ClearData {
  std::string why;
  bool keep_aside =
      false;  ///< move it to a sibling directory where the disk has room for it and a copy
};
/// Creates, drops and advances replication slots.
struct ChangeSlots {
  std::vector<std::string> create;  ///< physical, immediately reserved
  std::vector<std::string> drop;
  std::vector<std::pair<std::string, model::Lsn>> advance;
  std::vector<model::SlotConfig> create_logical = {};
  bool empty() const {
    return create.empty() && drop.empty() && advance.empty() && create_logical.empty();
  }
};
/// Copies logical slots from the leader to this standby, which is restarted for it. Result:
/// SlotsCopied.
struct CopySlots {
  model::Upstream leader;
  std::vector<model::SlotConfig> slots;
  model::PgTarget target;
  Duration timeout{};
};
/// Where the WAL ends that a crashed primary left: every row that it acknowledged lies before. Ends
/// what is left of the server first. Result: WalEnd.
struct FindWalEnd {
  model::Lsn flushed;  ///< as it said last
  model::Timeline timeline = 0;
  Duration timeout{};
};
/// Reads pg_wal/%08X.history of the running primary. Result: History.
struct ReadHistory {
  model::Timeline timeline = 0;
};
/// One node's part of the restore of the cluster. Each can be begun anew after it was cut off.
/// Result: RestoreDone.
struct RestoreWork {
  enum class What {
    check,      ///< the backup is there, and room for it; changes nothing
    fetch,      ///< the data directory becomes the backup
    keep,       ///< the old data directory is moved aside; tells where, or model::kInPlace
    take_back,  ///< and back again, if it was moved
    forget,     ///< and removed
    backup,     ///< of the restored cluster; tells its label
  };
  What what = What::check;
  model::Restore restore;
};

using Job = std::variant<InitDb, PostBootstrap, Clone, StartPg, StopPg, RestartPg, Configure,
                         Promote, Checkpoint, Inspect, CrashRecovery, Rewind, ClearData,
                         ChangeSlots, CopySlots, FindWalEnd, ReadHistory, RestoreWork>;
std::string_view name_of(const Job& job);  ///< "clone", "promote", …: for logs and REST

struct Initialized {
  std::string system_identifier;
};
struct CloneDone {
  model::Upstream source;
  std::string method;
};
struct Configured {
  bool reloaded = false;
};
struct Inspected {
  model::UpstreamState upstream;
  std::optional<model::Replayed> own;
};
struct SlotsCopied {
  bool copied = false;  ///< else the leader was not ready, and nothing was done
};
struct WalEnd {
  model::Lsn lsn;
};
struct RestoreDone {
  std::string text;
};
using JobResult = std::variant<std::monostate, Initialized, CloneDone, Configured, Inspected,
                               model::History, SlotsCopied, WalEnd, RestoreDone>;

}  // namespace aurum::core
