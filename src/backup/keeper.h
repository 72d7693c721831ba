#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include "backup/agent_view.h"
#include "backup/archive_report.h"
#include "backup/catalogue.h"
#include "backup/cluster_backups.h"
#include "backup/pgbackrest_conf.h"
#include "backup/schedule.h"
#include "backup/tls_server.h"
#include "backup/trial_keeper.h"
#include "dcs/store.h"
#include "model/config.h"
#include "model/postgres.h"
#include "runtime/log.h"
#include "runtime/pool.h"

namespace aurum::backup {

/// All of backups that goes on beside the agent: pgbackrest.conf as the roles are, the pgBackRest
/// server, the scheduler, restore tests, WAL that a former primary left, and what metrics and REST
/// show.
///
/// Lifecycle: made by the agent when patroni.yml has aurum.backup; run() is spawned once and never
/// ends. Everything it does is a coroutine with a deadline, a child process, or work in a thread of
/// its own: no repository, however dead, is waited for by the agent (tests/backups_test.cc).
class Keeper {
 public:
  Keeper(KeeperSetting setting, dcs::Store& store, runtime::Logger& log);

  Task<void> run();
  /// patroni.yml was read again.
  void reconfigure();
  /// The agent is about to end: pgBackRest ends, and the lock goes to others.
  void stop();
  /// Before the data directory is rewound or replaced: what waits in it for the archive is kept.
  /// Waits no longer than `limit`.
  Task<void> keep_left_within(Duration limit);
  /// A backup that gives way to a restore of the cluster takes a moment to end, wherever it runs:
  /// returns behind it, or when it is cancelled.
  Task<void> until_no_run();

  /// What GET /backups shows.
  model::Value document() const;
  /// Lines for GET /metrics.
  std::string metrics() const;

 private:
  void tick();
  void publish_node(const AgentView& view);
  void follow_topology(const AgentView& view);
  void consider_run(const AgentView& view);
  std::optional<Due> due_here(const AgentView& view);
  std::vector<Source> sources(const AgentView& view, RunKind kind) const;
  ClusterNow cluster_now(const AgentView& view) const;
  void begin_run(const AgentView& view, Due due);
  Task<void> do_run(Due due, ClusterBackups seen);
  Task<void> write_conf(std::vector<ConfPeer> peers);
  Task<void> publish(std::string key, std::string value);
  /// At most one of a name at a time.
  void spawn(const std::string& name, Task<void> task);
  bool is_busy(const std::string& name) const { return busy_.contains(name); }

  // keeper_watch.cc: what is looked at now and then.
  void watch(const AgentView& view);
  Task<void> refresh_catalogue();
  Task<void> refresh_archive();
  Task<void> refresh_space();
  Task<void> keep_left();
  Task<void> push_left();
  Task<void> heal_archive(model::Timeline timeline);
  Task<Status> push_gap(model::Timeline timeline, model::Lsn begin, model::Lsn end);
  void tell_archive(const ArchiveReport& report);

  KeeperSetting setting_;
  dcs::Store& store_;
  runtime::Logger& log_;
  runtime::Pool pool_{1};
  boost::asio::steady_timer timer_;
  TlsServer server_;
  TrialKeeper trials_;
  std::map<std::string, bool> busy_;
  std::shared_ptr<boost::asio::cancellation_signal> run_cancel_;
  bool stopped_ = false;

  std::optional<std::vector<ConfPeer>> peers_;  ///< as pgbackrest.conf names them
  bool conf_stale_ = true;
  std::string published_;   ///< what this node said of itself last
  std::string run_leader_;  ///< who led when the run began
  std::optional<Instant> due_since_;
  std::optional<RunKind> due_kind_;
  std::string conf_error_;
  bool host_told_ = false;

  std::optional<Catalogue> catalogue_;
  std::string catalogue_error_;
  Instant catalogue_at_;
  model::Revision catalogue_state_ = -1;  ///< of the state it was read behind
  ArchiveReport archive_;
  std::optional<Instant> archive_told_;
  Instant archive_at_, space_at_, left_at_;
  struct Space {
    std::int64_t free = 0, size = 0;
  };
  std::map<int, Space> space_;  ///< by repository
  model::Timeline healed_ = 0;  ///< the timeline whose beginning was looked at
  std::string gap_;             ///< WAL that no archive has; "" = none known
};

}  // namespace aurum::backup
