#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/certificates.h"
#include "agent/lease_keeper.h"
#include "agent/peers.h"
#include "agent/store_watcher.h"
#include "api/api.h"
#include "api/node.h"
#include "backup/keeper.h"
#include "core/core.h"
#include "fence/guard_client.h"
#include "fence/lease_page.h"
#include "fence/run_dir.h"
#include "model/config.h"
#include "model/rotation.h"
#include "net/http_server.h"
#include "pg/callbacks.h"
#include "pg/launcher.h"
#include "pg/postgres.h"
#include "route/router.h"
#include "runtime/log.h"
#include "runtime/pool.h"
#include "runtime/service_manager.h"

namespace aurum::agent {

/// How the program was started.
struct AgentOptions {
  std::string config_path;
  model::Environment env;
  std::string program;  ///< own executable, for starting the guard
  runtime::ServiceManager manager;
};

/// The reactor of one node: turns the world into events, runs the core's effects, owns the
/// io_context.
///
/// Lifecycle: construct with a loaded configuration, run() until the core says Exit. One thread;
/// beside it only the lease thread and a small pool for calls that block on the disk. Every
/// coroutine it spawns runs on `io_` and ends when run() leaves, since the io_context dies with
/// this object.
class Agent : public api::Node {
 public:
  Agent(AgentOptions options, model::LocalConfig config, std::unique_ptr<runtime::Logger> log);
  ~Agent() override;

  /// The exit code of the process.
  int run();

  // api::Node
  api::NodeView view() const override;
  runtime::Task<Result<model::ClusterView>> read_cluster() override;
  runtime::Task<Result<model::TxnDone>> write(model::Txn txn) override;
  runtime::Task<std::pair<int, std::string>> request(core::Request request) override;
  runtime::Task<std::optional<model::PeerStatus>> ask_peer(std::string api_url) override;
  runtime::Task<void> look() override { return probe_once(); }
  void reload() override;
  void wake() override;
  void audit(const std::string& line) override { log_->info("audit", line); }
  runtime::Task<std::pair<int, model::Value>> secrets(model::Value request) override;
  std::optional<model::Value> backups() const override;
  std::string backup_metrics() const override;

 private:
  // Start and stop (agent.cc).
  runtime::Task<void> start();
  runtime::Task<Status> connect_guard();
  void adopt_backup();
  void keep_backups();
  void tell_router();
  runtime::Task<void> hold_clients();
  bool leads_and_writes() const;
  backup::AgentView backup_view() const;
  runtime::Task<Status> own_run_dir();
  runtime::Task<Status> reach_guard(Duration timeout);
  runtime::Task<Status> ready_postgres();
  runtime::Task<bool> join_cluster();
  runtime::Task<Status> stand_without_store();
  std::unique_ptr<dcs::Store> make_store(boost::asio::any_io_executor executor);
  runtime::Task<Status> ready_api();
  runtime::Task<Status> open_rest();
  runtime::Task<net::HttpResponse> handle(net::HttpRequest request);
  runtime::Task<bool> fits_into(const model::ClusterView& cluster);
  runtime::Task<void> warn_of_old_etcd();
  void watch_signals();
  void read_config_again();
  void leave(int code, std::string why);
  void leave();  ///< as `exit_` says
  runtime::Task<void> end_guard();
  void finish(int code, const std::string& why);

  // The loop (agent.cc).
  void post(core::Event event);
  void pump();
  void step(core::Event event);

  // Effects (effects.cc).
  void run(const core::ReadDcs&);
  void run(const core::WriteDcs&);
  void run(const core::HoldLease&);
  void run(const core::StartRenewing&);
  void run(const core::StopRenewing&);
  void run(const core::SetLeasePage&);
  void run(const core::ShortenLeasePage&);
  void run(const core::ExtendLeasePage&);
  void run(const core::ArmWatchdog&);
  void run(const core::HoldBallast&);
  void run(const core::ProbePg&);
  void run(const core::StartJob&);
  void run(const core::CancelJob&);
  void run(const core::AskPeers&);
  void run(const core::AskConsent&);
  void run(const core::Reply&);
  void run(const core::Callback&);
  void run(const core::KillPg&);
  void run(const core::Note&);
  void run(const core::WakeAt&);
  void run(const core::Exit&);
  runtime::Task<void> arm_watchdog(core::ArmWatchdog what);
  runtime::Task<void> write_dcs(core::WriteDcs what);
  runtime::Task<void> do_job(core::StartJob what);
  void tell_restore_progress(const std::string& text);
  runtime::Task<void> ask_one(std::uint64_t round, core::PeerUrl peer, Duration timeout);
  runtime::Task<void> ask_consent_of(core::PeerUrl peer, core::AskConsent what);
  runtime::Task<void> kill_pg(int pid);

  // Observation (observe.cc).
  runtime::Task<void> probe_loop();
  runtime::Task<void> probe_once();
  void facts_seen(model::PgFacts facts);
  void probe_soon();
  runtime::Task<void> check_roles();
  void server_exited(int pid, std::string how);
  runtime::Task<void> revive_guard();
  runtime::Task<void> certificate_loop();
  runtime::Task<void> peer_loop();
  std::vector<std::string> others() const;  ///< the other members' api_url

  // The disks (room.cc).
  /// Whether the write probe counts as proof.
  runtime::Task<bool> disk_takes_writes(Duration timeout);
  runtime::Task<void> look_at_room();
  runtime::Task<void> room_loop();
  runtime::Task<void> hold_ballast(core::HoldBallast what);

  // Passwords that change (secrets.cc).
  struct SecretWork;
  runtime::Task<Status> step_secret(SecretWork& work);
  runtime::Task<Status> may_step(const SecretWork& work);
  runtime::Task<Result<bool>> takes_password(const SecretWork& work, std::string password);
  runtime::Task<Status> alter_role(const SecretWork& work);
  runtime::Task<Status> write_secrets(SecretWork& work);
  runtime::Task<Status> take_up_secret(const SecretWork& work);
  runtime::Task<model::SecretState> look_at_secret(const SecretWork& work);

  // What systemd is told (service.cc).
  runtime::Task<void> service_loop();
  void tell_service_manager();

  class GuardLauncher;

  AgentOptions options_;
  std::unique_ptr<runtime::Logger> log_;
  boost::asio::io_context io_{1};
  runtime::Pool pool_{3};
  model::LocalConfig config_;
  core::Core core_;
  Peers peers_{config_};

  std::filesystem::path run_dir_;
  std::optional<fence::RunDirLock> run_dir_lock_;
  std::optional<fence::LeasePageMap> page_;
  std::unique_ptr<GuardLauncher> launcher_;
  std::unique_ptr<pg::Postgres> postgres_;
  std::unique_ptr<pg::Callbacks> callbacks_;
  std::unique_ptr<dcs::Store> store_;
  std::unique_ptr<StoreWatcher> watcher_;
  std::unique_ptr<LeaseKeeper> keeper_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<backup::Keeper> backups_;
  route::Router router_;
  bool takes_writes_ = false;  ///< as the router was told
  std::string instance_;       ///< of this process
  bool heard_itself_ = false;  ///< a question of ours came in by our own door
  bool joined_ = false;        ///< the store was read, and this node has its place in the cluster
  Certificates certificates_;

  std::vector<core::Event> queue_;
  bool pumping_ = false;
  boost::asio::steady_timer wake_timer_{io_};
  boost::asio::steady_timer probe_timer_{io_};
  boost::asio::signal_set signals_{io_};
  bool probing_ = false;
  std::uint64_t probes_begun_ = 0;
  boost::asio::steady_timer probed_{io_, boost::asio::steady_timer::time_point::max()};
  std::size_t writes_ = 0;  ///< to the store, without an answer yet
  std::optional<core::Exit> exit_;
  std::optional<int> exit_code_;
  bool leaving_ = false;  ///< the guard may end, and is not missed
  bool finishing_ = false;

  std::map<core::JobId, std::unique_ptr<boost::asio::cancellation_signal>> jobs_;
  struct WaitingReply {
    boost::asio::steady_timer timer;
    std::optional<std::pair<int, std::string>> answer;
  };
  std::map<core::RequestId, std::shared_ptr<WaitingReply>> waiting_;
  core::RequestId next_request_ = 1;
  Instant last_cycle_;
  Instant progress_told_;
  int adopted_pid_ = 0;
  std::optional<core::ArmWatchdog> watchdog_asked_;  ///< for another guard
  bool roles_checked_ = false;
  bool disk_full_told_ = false;
  bool changing_secret_ = false;  ///< one step at a time
};

}  // namespace aurum::agent
