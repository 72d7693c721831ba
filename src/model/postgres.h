#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/cluster.h"
#include "model/lsn.h"
#include "model/roles.h"
#include "model/value.h"

/// What is known about, and wanted of, the PostgreSQL of this node.
namespace aurum::model {

/// A row of pg_stat_replication.
struct WalSender {
  std::string usename, application_name, client_addr, state, sync_state;
  int sync_priority = 0;
  Lsn sent_lsn, write_lsn, flush_lsn, replay_lsn;
  friend bool operator==(const WalSender&, const WalSender&) = default;
};

/// A row of pg_replication_slots.
struct Slot {
  std::string name;
  bool logical = false;
  bool active = false;
  bool temporary = false;
  bool failover = false;  ///< PostgreSQL 17+
  std::string database, plugin;
  std::optional<Lsn> restart_lsn, confirmed_flush_lsn;
  std::string wal_status;
  bool has_xmin = false;
  friend bool operator==(const Slot&, const Slot&) = default;
};

/// What pg_controldata says of a data directory (usable while PostgreSQL is down).
struct ControlData {
  std::string
      state;  ///< "shut down", "shut down in recovery", "in production", "in archive recovery", …
  std::string system_identifier;
  int pg_version = 0;  ///< major version from PG_VERSION
  Timeline timeline = 0;
  Lsn checkpoint;  ///< latest checkpoint location
  Lsn redo;        ///< latest checkpoint's REDO location
  Lsn minimum_recovery_end;
  Timeline minimum_recovery_timeline = 0;
  bool data_checksums = false;
  bool wal_log_hints = false;
  std::map<std::string, std::int64_t> limits;  ///< max_connections, …: the GUC names of §7.1
  friend bool operator==(const ControlData&, const ControlData&) = default;
};

/// What stands in the data directory.
enum class DataDir {
  empty,       ///< missing, or a directory without anything in it
  incomplete,  ///< a clone or initdb of ours that did not end (our marker file is there)
  foreign,     ///< not empty and no PostgreSQL data directory: never touched
  ready,       ///< PG_VERSION and pg_control are there
};

/// One observation of the local PostgreSQL.
struct PgFacts {
  DataDir data_dir = DataDir::empty;
  bool founding = false;       ///< made by an initdb of ours: roles, or the store, may lack yet
  bool process_alive = false;  ///< a postmaster works on our data directory
  int pid = 0;
  bool accepting = false;  ///< it answered the probe query in time
  bool probe_timed_out =
      false;  ///< it is alive, and neither answered nor refused ("starting up") in time
  bool takes_writes = true;    ///< else its disk does not, whatever queries say; of a primary
  bool login_refused = false;  ///< it is alive, and does not let the superuser's login in
  std::string probe_error;     ///< why `accepting` is false although it is alive

  // The rest of this block is of the last answered query; meaningful only while accepting.
  bool in_recovery = false;
  Lsn flush_lsn;                      ///< primary: pg_current_wal_flush_lsn()
  std::optional<Lsn> received_lsn;    ///< standby: max of received and walreceiver's written
  std::optional<Lsn> replayed_lsn;    ///< standby
  std::optional<Lsn> latest_end_lsn;  ///< standby: walreceiver's latest_end_lsn
  std::string replayed_timestamp;     ///< standby; "" if none. Form of §2.2 postmaster_start_time
  double replayed_timestamp_epoch = 0;
  bool replay_paused = false;
  Timeline timeline = 0;              ///< standby: of the WAL it receives
  std::string replication_state;      ///< "streaming" / "in archive recovery" / ""
  std::string postmaster_start_time;  ///< "YYYY-MM-DD HH:MM:SS.ffffff+00:00"
  double postmaster_start_epoch = 0;
  int server_version = 0;  ///< 150020
  std::string system_identifier;
  std::vector<WalSender> senders;
  std::vector<Slot> slots;
  std::string synchronous_standby_names;  ///< in force
  std::string synchronous_commit;
  std::string primary_conninfo_host;  ///< in force on a standby; "" if none
  int primary_conninfo_port = 0;
  std::string primary_slot_name;
  Value pending_restart_reason;  ///< {guc: {old_value, new_value}}; null when none

  /// A backup_label or recovery.signal is there: a copy, rewound or restored, not started since or
  /// not recovered to its end. What pg_control says of its run is about the server it is from.
  bool copied = false;
  std::optional<ControlData> control;  ///< while not running, if pg_control could be read

  /// Where this node's WAL ends as far as we know: flush LSN, or max(received, replayed).
  Lsn position() const {
    if (!in_recovery) return flush_lsn;
    Lsn r = received_lsn.value_or(Lsn{}), p = replayed_lsn.value_or(Lsn{});
    return r < p ? p : r;
  }
  friend bool operator==(const PgFacts&, const PgFacts&) = default;
};

/// Somebody to stream or copy from.
struct Upstream {
  std::string name;  ///< member name; "" for the remote of a standby cluster
  std::string host;
  int port = 5432;
  friend bool operator==(const Upstream&, const Upstream&) = default;
};

/// Replay of archived WAL up to a point, where the server opens a new timeline by itself.
struct PgRecovery {
  RecoveryTarget target;
  Timeline timeline = 0;  ///< along which line
  Timeline above = 0;     ///< the new timeline must be greater
  friend bool operator==(const PgRecovery&, const PgRecovery&) = default;
};

/// How the local PostgreSQL shall run: everything the core decides about its configuration. pg/
/// makes files of it together with the local and the dynamic configuration.
struct PgTarget {
  bool primary = false;
  std::optional<Upstream>
      upstream;           ///< replica: whom to follow; none = stay in recovery without a source
  std::string slot_name;  ///< primary_slot_name; "" = none
  /// Unset: the user's own value stands. Set (also to ""): the agent owns it.
  std::optional<std::string> synchronous_standby_names;
  bool hot_standby_feedback = false;   ///< forced on for permanent logical slots
  std::optional<PgRecovery> recovery;  ///< of a restored backup
  /// A standby that stays on its timeline, whatever newer ones the archive has.
  bool own_timeline = false;
  friend bool operator==(const PgTarget&, const PgTarget&) = default;
};

/// How far an upstream is, asked over a replication connection (IDENTIFY_SYSTEM, TIMELINE_HISTORY).
struct UpstreamState {
  std::string system_identifier;
  Timeline timeline = 0;
  Lsn position;
  bool in_recovery = false;
  History history;
  friend bool operator==(const UpstreamState&, const UpstreamState&) = default;
};

/// How far a standby has replayed, and on which timeline the last record of that was: told by the
/// server itself. PgFacts::timeline is of what it receives, and it may not be able to replay that.
struct Replayed {
  Timeline timeline = 0;
  Lsn lsn;
  friend bool operator==(const Replayed&, const Replayed&) = default;
};

/// What a peer's GET /patroni says of it.
struct PeerStatus {
  bool in_recovery = true;
  bool running = false;  ///< state is running
  Timeline timeline = 0;
  Lsn position;  ///< xlog.location, or max(received, replayed)
  Value tags;
  bool watchdog_failed = false;
  std::string version;
  friend bool operator==(const PeerStatus&, const PeerStatus&) = default;
};
PeerStatus decode_peer_status(const Value& document);

enum class StopMode { smart, fast, immediate };
std::string_view to_string(StopMode mode);

}  // namespace aurum::model
