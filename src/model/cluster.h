#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/disk.h"
#include "model/lsn.h"
#include "model/restore.h"
#include "model/roles.h"
#include "model/succession.h"
#include "model/value.h"

/// The cluster as the DCS holds it: every key of PATRONI_COMPAT §1.1, decoded tolerantly (§1.2),
/// encoded exactly.
namespace aurum::model {

using Revision = std::int64_t;  ///< etcd's mod_revision / store revision; 0 = the key is absent
using LeaseId = std::int64_t;   ///< etcd lease; 0 = none

/// `members/<name>`.
struct Member {
  std::string name;
  std::string conn_url;   ///< postgres://HOST:PORT/DBNAME, never credentials
  std::string api_url;    ///< http[s]://HOST:PORT/patroni
  std::string proxy_url;  ///< "" if not set
  PgState state = PgState::unknown;
  Role role = Role::uninitialized;
  std::string version;
  /// Ours, absent for a Patroni: `aurum` holds our version. Patroni ignores unknown fields.
  std::string aurum_version;
  bool checkpoint_after_promote_pending = false;  ///< key `checkpoint_after_promote` present
  Value tags;                                     ///< effective tags; null when empty
  bool pending_restart = false;
  Value pending_restart_reason;  ///< {guc: {old_value, new_value}}; null when none
  std::optional<Lsn> xlog_location;
  std::optional<Lsn> replay_lsn;
  std::optional<Lsn> receive_lsn;
  std::string replication_state;  ///< "streaming", "in archive recovery" or ""
  std::optional<Timeline> timeline;
  Value scheduled_restart;  ///< null when none
  bool pause = false;
  DiskLevel disk = DiskLevel::ok;  ///< ours: key `aurum_disk`, absent while ok

  LeaseId lease = 0;
  Revision mod_revision = 0;

  friend bool operator==(const Member&, const Member&) = default;
};

std::string encode_member(const Member& member);
/// Never fails: what cannot be understood counts as absent (§1.2 reader tolerance).
Member decode_member(std::string_view name, std::string_view text);

/// Where conn_url / api_url point to.
struct HostPort {
  std::string host;
  int port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};
/// Of "postgres://h:p/db", "http://h:p/patroni", "h:p", "[::1]:p"; port 0 when missing.
Result<HostPort> parse_url_host(std::string_view url);

// Tags of a member (§8.9), with the rules for contradicting ones applied.
bool tag_nofailover(const Member& m);
int tag_failover_priority(const Member& m);
bool tag_nosync(const Member& m);
int tag_sync_priority(const Member& m);
bool tag_noloadbalance(const Member& m);
bool tag_clonefrom(const Member& m);
bool tag_nostream(const Member& m);
std::string tag_replicatefrom(const Member& m);
/// What a node publishes of its configured tags (§8.9): the five booleans only when true, others as
/// they are.
Value effective_tags(const Value& configured);

/// `leader`.
struct Leader {
  std::string name;
  LeaseId lease = 0;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  friend bool operator==(const Leader&, const Leader&) = default;
};

/// `status` (or the legacy `optime/leader`).
struct ClusterStatus {
  std::optional<Lsn> optime;
  std::map<std::string, Lsn> slots;
  std::vector<std::string> retain_slots;
  friend bool operator==(const ClusterStatus&, const ClusterStatus&) = default;
};
std::string encode_status(const ClusterStatus& status);
ClusterStatus decode_status(std::string_view text);
/// {"name": lsn}, as in `status` and in `POST /failsafe`; what is no position is left out.
Value encode_slots(const std::map<std::string, Lsn>& slots);
std::map<std::string, Lsn> decode_slots(const Value& slots);

/// One timeline switch of `history`.
struct HistoryEntry {
  Timeline timeline = 0;  ///< the timeline that ended
  Lsn lsn;                ///< where it ended
  std::string reason;
  std::string time;        ///< ISO 8601 with offset; "" if unknown
  std::string new_leader;  ///< "" if unknown
  friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};
using History = std::vector<HistoryEntry>;
std::string encode_history(const History& history);
History decode_history(std::string_view text);
/// Reads the text of a PostgreSQL timeline history file (pg_wal/%08X.history); time and leader stay
/// empty.
Result<History> parse_history_file(std::string_view text);

/// `failover`: a manual failover or switchover request.
struct FailoverRequest {
  std::string leader;        ///< present: switchover; "": manual failover
  std::string candidate;     ///< key `member`
  std::string scheduled_at;  ///< ISO 8601 with offset; "" = now
  Revision mod_revision = 0;
  bool is_empty() const { return leader.empty() && candidate.empty(); }
  friend bool operator==(const FailoverRequest&, const FailoverRequest&) = default;
};
std::string encode_failover(const FailoverRequest& request);
FailoverRequest decode_failover(std::string_view text);

/// Names of members as PostgreSQL compares application_name: case does not count.
bool same_name(std::string_view a, std::string_view b);
bool contains_name(const std::vector<std::string>& names, std::string_view name);

/// `sync`.
struct SyncKey {
  std::string leader;                ///< "": synchronous mode is not active
  std::vector<std::string> members;  ///< sorted standby names (voters in quorum mode)
  int quorum = 0;
  Revision mod_revision = 0;                  ///< 0: the key is absent
  bool has(std::string_view name) const;      ///< a standby of that name; case-insensitive
  bool matches(std::string_view name) const;  ///< leader or standby
  friend bool operator==(const SyncKey&, const SyncKey&) = default;
};
std::string encode_sync(const SyncKey& sync);
SyncKey decode_sync(std::string_view text);

/// `failsafe`: name → api_url.
struct FailsafeMap {
  std::map<std::string, std::string> members;
  Revision mod_revision = 0;
  friend bool operator==(const FailsafeMap&, const FailsafeMap&) = default;
};
std::string encode_failsafe(const FailsafeMap& map);
FailsafeMap decode_failsafe(std::string_view text);

/// `aurum_released`, a key of ours that a Patroni ignores: in failsafe mode, the epoch that its
/// leader ended itself, while nobody has led since. Nobody needs to keep a promise any longer.
inline constexpr std::string_view kReleasedKey = "aurum_released";

/// `aurum_unpromised`, a key of ours that a Patroni ignores: a revision of the store. When its leader
/// had seen that one it lived by no promise and asked for none, so whatever an agent promised that
/// ended before it is over (docs/decisions/0014).
inline constexpr std::string_view kUnpromisedKey = "aurum_unpromised";

/// `aurum_maintenance`, a key of ours that a Patroni ignores: a pause lets this member's server
/// write without a deadline. Nobody else takes the lock before the member took the key away, or an
/// operator said that its server is off (docs/decisions/0009).
struct MaintenanceKey {
  std::string name;
  Revision mod_revision = 0;
  friend bool operator==(const MaintenanceKey&, const MaintenanceKey&) = default;
};
inline constexpr std::string_view kMaintenanceKey = "aurum_maintenance";

/// `aurum_heartbeat`, a key of ours that a Patroni ignores: the leader writes it anew all the time,
/// by its epoch. Who has seen the same one for `takeover` may take the lock by a transaction that
/// compares it (DESIGN §4 "Heartbeat"). It counts only for a `leader` key that is no newer.
struct Heartbeat {
  std::string leader;
  Duration fence{};     ///< its leader writes no longer than this after it sent one
  Duration takeover{};  ///< longer than `fence`
  Revision mod_revision = 0;
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};
inline constexpr std::string_view kHeartbeatKey = "aurum_heartbeat";
std::string encode_heartbeat(const Heartbeat& beat);
/// None: damaged, or one that nobody may take over by.
std::optional<Heartbeat> decode_heartbeat(std::string_view text);

/// A raw key of the store, relative to the cluster's base path ("leader", "members/node-1").
struct KeyValue {
  std::string key;
  std::string value;
  LeaseId lease = 0;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

/// Everything below the base path at one store revision.
struct ClusterView {
  Revision revision = 0;
  std::optional<std::string>
      initialize;  ///< "" while somebody bootstraps, then the system identifier
  std::optional<Leader> leader;
  std::map<std::string, Member> members;
  Value config;  ///< dynamic configuration; null when absent or invalid
  Revision config_revision = 0;
  ClusterStatus status;
  History history;
  Revision history_revision = 0;
  std::optional<FailoverRequest> failover;  ///< set also for "{}" (mod_revision matters)
  SyncKey sync;
  std::optional<FailsafeMap> failsafe;
  std::uint64_t released = 0;  ///< kReleasedKey; 0: absent
  Revision released_revision = 0;
  Revision unpromised = 0;  ///< kUnpromisedKey; 0: absent, or not of this store
  std::optional<MaintenanceKey> maintenance;
  std::optional<Heartbeat> heartbeat;
  /// `aurum_timeline`, a key of ours that a Patroni ignores: the highest timeline that a promotion
  /// was given. Each takes the next one together with the lock, so no two branches share a number.
  Timeline timeline_given = 0;
  Revision timeline_given_revision = 0;
  std::optional<Restore> restore;  ///< `aurum_restore`: one is on
  Revision restore_revision = 0;   ///< 0: the key is absent
  std::string successions;         ///< kSuccessionsKey, as it is: few read it
  Revision successions_revision = 0;
  std::string restore_progress;  ///< `aurum_restore_progress`, for people; lease of the member

  const Member* member(std::string_view name) const;
  const Member* leader_member() const;
  std::string leader_name() const { return leader ? leader->name : std::string(); }
  friend bool operator==(const ClusterView&, const ClusterView&) = default;
};
/// A longer value is nobody's of ours, and reading it again and again would stop the loop
/// (garbage_test): it counts as absent. A configuration of five thousand lines is shorter.
inline constexpr std::size_t kValueBytesMax = 512 * 1024;
ClusterView decode_cluster(Revision revision, const std::vector<KeyValue>& keys);

/// A view is large, changes seldom and is looked at all the time: who is told of it shares it.
using SharedView = std::shared_ptr<const ClusterView>;

/// Base path of §1.1: "/ns/scope/" with runs of '/' collapsed and one at the end.
std::string base_path(std::string_view ns, std::string_view scope);

/// Slot name of a member (§7.4).
std::string slot_name(std::string_view member_name);

/// ISO 8601 of a moment, with micro seconds and "+00:00": "2026-11-22T18:48:09.437546+00:00".
std::string iso8601(WallTime at);
/// Reads ISO 8601 and "YYYY-MM-DD HH:MM[:SS[.f]]±HH:MM"; without an offset Code::invalid with
/// message "no offset".
Result<WallTime> parse_iso8601(std::string_view text);

/// The array and object of GET /cluster (§2.4), which `list` prints too.
Value cluster_document(const ClusterView& view, std::string_view scope);

}  // namespace aurum::model
