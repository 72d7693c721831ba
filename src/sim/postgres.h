#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/postgres.h"

namespace aurum::sim {

/// One stretch of WAL: from `begin` on, written on a branch that no other promotion shares.
struct Stretch {
  int branch = 0;
  model::Timeline timeline = 0;
  model::Lsn begin;
  friend bool operator==(const Stretch&, const Stretch&) = default;
};

/// The WAL of a data directory: the branches it went along, and where it ends.
struct Wal {
  std::vector<Stretch> path;
  model::Lsn end;

  bool empty() const { return path.empty(); }
  model::Timeline timeline() const { return path.empty() ? 0 : path.back().timeline; }
  /// How far it has what was written on `branch`; 0: nothing.
  model::Lsn end_on(int branch) const;
  /// Whether what was written on `branch` up to `lsn` is in it.
  bool contains(int branch, model::Lsn lsn) const { return lsn <= end_on(branch); }
  /// Whether `other` is this WAL, going on: so this one can stream from it.
  bool is_prefix_of(const Wal& other) const;
  /// What lies behind `lsn` is gone.
  void cut(model::Lsn lsn);
  model::History history() const;
};

/// A data directory: survives the host, and can be moved aside.
struct DataDirectory {
  model::DataDir data = model::DataDir::empty;
  bool founding = false;  ///< made by initdb, and the mark of that is still there
  bool roles = false;     ///< they were made
  std::string system_identifier;
  Wal wal;  ///< as written; a power cut leaves what was flushed
  model::Lsn flushed;
  std::string control_state = "shut down";
  model::Lsn checkpoint;
  model::Timeline checkpoint_timeline = 0;
  std::vector<model::Slot> slots;
  std::optional<model::Lsn> lied_since;  ///< nothing behind it will be left after a power cut
  bool forgot = false;                   ///< and nothing was: not all it flushed is here
  bool rewindable = true;
  bool backup_label = false;  ///< a copy that was not started yet
  /// It replayed another timeline's WAL under the name of this one, which it is served and can not
  /// replay.
  model::Timeline served = 0;
  bool lags = false;  ///< pg_control, behind what is replayed: at the checkpoint
};

/// A PostgreSQL as far as the core can tell: what is on its disk, and what its server does. It does
/// what it is told; when, is World's business.
struct Postgres : DataDirectory {
  // The server.
  bool alive = false;
  bool accepting = false;
  bool in_recovery = false;
  bool hung = false;
  bool shutting_down = false;  ///< takes no sessions; its walsenders go on to the last record
  bool streaming = false;
  int pid = 0;
  std::string started;  ///< postmaster_start_time
  model::PgTarget target;
  std::string sync_names;    ///< in force
  std::string streams_from;  ///< name of the member it streams from now; "" if none
  model::Lsn told_flushed;   ///< what the member it streams from knows of `flushed`

  // Faults.
  int failing_promotions = 0;
  int late_promotions = 0;  ///< nobody waits so long: they come true after they failed
  int failing_starts = 0;
  int failing_rewinds = 0;
  int failing_clones = 0;
  int failing_recoveries = 0;      ///< of a restored backup
  bool frozen = false;             ///< the whole machine stands still
  bool postmaster_paused = false;  ///< no new connection, no orderly stop
  bool backends_paused = false;    ///< between the last check of a commit and its acknowledgement
  bool disk_full = false;
  bool read_only = false;  ///< its disk; queries are answered
  Duration slow_promotion{}, slow_start{}, slow_stop{};
  Duration slow_replay{};    ///< of a restored backup
  Duration slow_archiver{};  ///< a stop goes on so long behind its last record
  bool unkillable = false;   ///< while it hangs, as in an uninterruptible wait
  Duration slow_calls{};     ///< what slots, checkpoints and the like take more

  bool writable() const { return alive && accepting && !in_recovery && !hung && !frozen; }
  /// Whether a new connection gets an answer.
  bool answers() const { return alive && accepting && !hung && !frozen && !postmaster_paused; }
  void start(const model::PgTarget& with, int new_pid, std::string at);
  /// A clean stop: a primary's last record is written. What runs of it still serves who streams.
  void write_last_record();
  void end_cleanly();
  /// Kill or crash: the operating system still has what was written.
  void crash();
  void lose_unflushed(model::Lsn end);  ///< power loss: what lies behind `end` is gone
  void forget(model::Lsn end);          ///< likewise, though it was said to be flushed
  /// Takes over another one's WAL, as far as that one has flushed it.
  void copy_wal(const Postgres& from);
  void flush() { flushed = wal.end; }
  /// And has it safe: whatever its disk forgot before, it has what the other one has.
  void flush_copied(const Postgres& from);
  void promote(int branch, model::Timeline timeline);
  std::optional<model::ControlData> control() const;
};

inline constexpr std::uint64_t kCheckpointRecord = 0x70;

}  // namespace aurum::sim
