#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/job.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/postgres.h"
#include "model/txn.h"

/// Everything that can happen to the core (DESIGN §3). The shell turns the world into these, in
/// order of arrival.
namespace aurum::core {

using RequestId = std::uint64_t;

/// The store's content at one revision. `sent_at`: when the read, or the last proof that the watch
/// is alive, was sent.
struct DcsSnapshot {
  model::SharedView view;  ///< never null
  Instant sent_at;
};
/// The store can not be read. `error.code` is never Code::rejected.
struct DcsFailed {
  Error error;
};
/// How an effect WriteDcs ended. Code::unknown_outcome: it may have happened; a snapshot will tell.
struct DcsWritten {
  std::uint64_t id = 0;
  Result<model::TxnDone> result;
};
/// This member holds a lease; `sent_at` is when the grant was sent.
struct LeaseGranted {
  model::LeaseId lease = 0;
  Instant sent_at;
  Duration ttl{};
};
/// The member's lease was kept alive by a request sent at `sent_at`.
struct LeaseKept {
  model::LeaseId lease = 0;
  Instant sent_at;
};
/// The store says that the member's lease is gone.
struct LeaseGone {
  model::LeaseId lease = 0;
};
/// The lease thread renewed leadership: keepalive and the check that `leader` is still ours, sent
/// at `sent_at`. It has moved the deadline in the lease page already.
struct LeaderRenewed {
  std::uint64_t epoch = 0;
  Instant sent_at;
  Instant until;      ///< the page's deadline by it
  bool beat = false;  ///< by a heartbeat
};
/// The store says that leadership of this epoch is over (compare failed, lease gone).
struct LeaderLost {
  std::uint64_t epoch = 0;
  std::string why;
};
/// The dynamic configuration that this node's data directory kept from its last run. It comes
/// before the first snapshot, and counts as long as the store has none (PATRONI_COMPAT §3.1).
struct KeptConfig {
  model::Value tree;
};
struct PgProbed {
  model::PgFacts facts;
};
/// The postmaster ended.
struct PgExited {
  int pid = 0;
  std::string how;  ///< "exit code 1", "signal 9"
};
/// The server that a StopPg stops has written its last record, and answers nobody any more: what
/// still runs of it sends and archives WAL. Only of a StopPg with `tell_last_record`.
struct LastRecordWritten {
  JobId id = 0;
  model::Lsn begin;  ///< of that record, the shutdown checkpoint
};
struct JobProgress {
  JobId id = 0;
  std::string text;  ///< "copied 120 MB of 1.1 GB (11 %)"
};
struct JobDone {
  JobId id = 0;
  Result<JobResult> result;
};
/// The answer of one peer to AskPeers; unset = it did not answer.
struct PeerAnswered {
  std::uint64_t round = 0;
  std::string name;
  std::optional<model::PeerStatus> status;
};

/// The answer of one member to AskConsent; one that did not answer has not promised.
struct PeerConsented {
  std::uint64_t round = 0;
  std::string name;
  bool promised = false;
  std::string why_not;
};

/// How ArmWatchdog ended.
struct WatchdogAnswered {
  bool usable = false;
  bool armed = false;
  std::string why = {};  ///< it is not usable
};

/// How much room this node's volumes have; now and then, and soon after HoldBallast.
struct DiskSeen {
  model::DiskFacts facts;
};

/// Operator requests, checked for form by api/ already.
struct RestartRequest {
  std::string role;              ///< "" = any
  std::string postgres_version;  ///< restart only if the server is older; "" = any
  bool only_pending = false;
  std::optional<Duration> timeout;
  std::optional<WallTime> at;  ///< scheduled
  model::Value raw;            ///< the request object, shown in the member key while scheduled
};
struct CancelRestart {};
struct ReinitRequest {
  bool force = false;
  bool from_leader = false;
};
/// POST /failsafe: a leader that does not reach the store asks this node to take no lock for a
/// time. 200 is a promise.
struct ConsentRequest {
  std::string leader;
  std::uint64_t epoch = 0;                  ///< of its leadership; 0 = a Patroni, which tells none
  Duration promise{};                       ///< 0 = likewise: ttl
  std::map<std::string, model::Lsn> slots;  ///< the leader's, which the store would tell
};
/// SIGHUP or POST /reload: the file was read again.
struct ConfigReloaded {
  model::LocalConfig config;
};
/// SIGTERM / SIGINT.
struct StopRequested {};
struct Request {
  RequestId id = 0;  ///< answered with one Reply; 0 = nobody waits
  std::variant<RestartRequest, CancelRestart, ReinitRequest, ConsentRequest> what;
};
/// The timer asked for with WakeAt, or nothing special: look again.
struct Tick {
  WallTime wall;
};

using Event =
    std::variant<Tick, DcsSnapshot, DcsFailed, DcsWritten, LeaseGranted, LeaseKept, LeaseGone,
                 LeaderRenewed, LeaderLost, KeptConfig, PgProbed, PgExited, JobProgress, JobDone,
                 PeerAnswered, Request, ConfigReloaded, StopRequested, PeerConsented,
                 WatchdogAnswered, DiskSeen, LastRecordWritten>;

struct Input {
  Instant now;
  WallTime wall;  ///< for timestamps and schedules only
  Event event;
};

}  // namespace aurum::core
