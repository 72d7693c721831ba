#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/event.h"
#include "core/phase_times.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/postgres.h"
#include "model/txn.h"
#include "runtime/async.h"

namespace aurum::api {

using runtime::Task;

/// A certificate this node works with.
struct CertificateView {
  std::string use;  ///< "restapi", "postgresql", …
  std::int64_t not_after_s = 0;
};

/// All that REST and metrics show of this node, copied at one moment. agent/ fills it from the
/// core's state.
struct NodeView {
  const model::LocalConfig* config = nullptr;
  const model::DynamicConfig* dynamic = nullptr;
  const model::ClusterView* cluster = nullptr;  ///< last seen; may be older than ttl
  model::PgFacts facts;
  model::PgState state = model::PgState::unknown;
  model::Role role = model::Role::uninitialized;
  bool is_leader = false;         ///< holds the lock and its local deadline has not passed
  bool dcs_fresh = false;         ///< the store's view is not older than ttl
  bool cluster_unlocked = false;  ///< no leader known, or the view is too old
  bool failsafe_active = false;
  bool joined = true;  ///< the store was read since this agent began, and it has its place there
  std::size_t peers_linked = 0;  ///< members to whom a connection is open
  bool paused = false;
  bool watchdog_failed = false;
  std::int64_t dcs_last_seen_epoch_s = 0;
  bool loop_alive = true;          ///< liveness (§2.3)
  model::Value scheduled_restart;  ///< null when none
  std::string running_action;      ///< "" or the long action of §2.6.1
  std::string progress;            ///< of that action: "copied 120 MB of 1.1 GB (11 %)"
  model::Value effective_tags;
  double lease_remaining_s = 0;  ///< 0 unless leader
  double lease_span_s = 0;       ///< likewise: what a renewal gives
  std::uint64_t epoch = 0;
  core::PhaseTimes phases;  ///< of the times that this node followed another leader
  std::vector<CertificateView> certificates;
  model::DiskFacts disk;  ///< capacity 0: not looked at yet
  model::DiskLevel disk_level = model::DiskLevel::ok;
  bool development = false;  ///< AURUM_DEVELOPMENT=1: passwords that everybody knows are allowed
};

/// The agent as the REST surface sees it. Calls run on the agent's executor.
/// In a request for GET /patroni: the answer shall tell of a look at PostgreSQL that begins now. So
/// asks who judges whether it has all WAL that anybody has.
inline constexpr std::string_view kLookHeader = "Aurum-Look";

class Node {
 public:
  virtual ~Node() = default;
  virtual NodeView view() const = 0;
  /// A fresh linearizable read of the store.
  virtual Task<Result<model::ClusterView>> read_cluster() = 0;
  virtual Task<Result<model::TxnDone>> write(model::Txn txn) = 0;
  /// Hands a request to the core and waits for its reply: HTTP status and text.
  virtual Task<std::pair<int, std::string>> request(core::Request request) = 0;
  /// GET /patroni of a peer; for the candidate check of switchover.
  virtual Task<std::optional<model::PeerStatus>> ask_peer(std::string api_url) = 0;
  virtual Task<void> look() = 0;  ///< at PostgreSQL: view() is no older than this call then
  virtual void reload() = 0;      ///< as SIGHUP
  virtual void wake() = 0;        ///< run the decision loop now
  virtual void audit(const std::string& line) = 0;  ///< of a write (api/audit.h), for the log
  /// POST /secrets: one step of a password's change on this node, and what is there behind it
  /// (model/rotation.h).
  virtual Task<std::pair<int, model::Value>> secrets(model::Value request) {
    (void)request;
    co_return std::pair{501, model::Value::object()};
  }
  /// GET /backups; nothing without aurum.backup.
  virtual std::optional<model::Value> backups() const { return std::nullopt; }
  /// Their part of GET /metrics.
  virtual std::string backup_metrics() const { return {}; }
};

}  // namespace aurum::api
