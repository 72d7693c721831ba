#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/lsn.h"

/// The restore of a whole cluster from its backups: what was asked for and how far it is.
namespace aurum::model {

/// Up to where WAL is replayed.
struct RecoveryTarget {
  enum class Kind { latest, time, lsn, xid, name };
  Kind kind = Kind::latest;
  std::string value;  ///< of PostgreSQL's recovery_target_<kind>; "" for latest
  friend bool operator==(const RecoveryTarget&, const RecoveryTarget&) = default;
};
std::string_view to_string(RecoveryTarget::Kind kind);
/// "transaction 731", "the newest WAL", …: for sentences.
std::string describe(const RecoveryTarget& target);

/// Each is begun by one write that compares the former, so that whoever comes later, also after a
/// crash, goes on where it was.
enum class RestoreStep {
  check,      ///< node: is the backup there, is there room; nothing has changed yet
  stop,       ///< all: PostgreSQL is stopped, the lock is free
  fetch,      ///< node: its data directory becomes the backup
  open,       ///< node: takes the lock, replays up to the target, opens a new timeline
  rebuild,    ///< all: the others become copies; node takes a backup
  done,       ///< the old data is kept until somebody confirms
  confirm,    ///< keeper: removes it
  undo_stop,  ///< all: PostgreSQL is stopped, the lock is free
  undo        ///< keeper: leads again with the old data
};
std::string_view to_string(RestoreStep step);

/// The key `aurum_restore`, which a Patroni ignores. Absent: no restore is on.
struct Restore {
  struct Mark {
    RestoreStep step = RestoreStep::check;
    std::string by, at;  ///< member, or "operator"; ISO 8601
    friend bool operator==(const Mark&, const Mark&) = default;
  };

  std::string id;  ///< of the request; a time stamp, usable in file names
  RestoreStep step = RestoreStep::check;
  std::string node;    ///< is restored, and leads then
  std::string keeper;  ///< holds the data as it was before: the leader of that time
  /// Where the keeper's old data directory is: "" not looked after yet, kInPlace, or a path.
  std::string kept;
  bool discard = false;   ///< the old data need not be kept
  std::string backup;     ///< label of the backup that is fetched
  std::int64_t size = 0;  ///< bytes that the restored database takes
  RecoveryTarget target;
  Timeline timeline = 0;    ///< recovery_target_timeline
  Timeline opened = 0;      ///< the new timeline; data on an older one is from before the restore
  std::string new_backup;   ///< label of the one taken afterwards
  bool ended = false;       ///< the keeper has stopped, and its WAL is archived to its end
  std::string error;        ///< why it stands still; "" = it goes on
  std::vector<Mark> marks;  ///< who began which step, and when
  friend bool operator==(const Restore&, const Restore&) = default;
};
/// The keeper had no room for a copy beside its old data: it stays out of the cluster.
inline constexpr std::string_view kInPlace = "in place";

std::string encode_restore(const Restore& restore);
/// Unset when it can not be understood.
std::optional<Restore> decode_restore(std::string_view text);

}  // namespace aurum::model
