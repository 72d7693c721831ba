#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/config.h"
#include "model/postgres.h"
#include "pg/bounded.h"
#include "pg/check_settings.h"
#include "pg/checkpointer.h"
#include "pg/launcher.h"
#include "pg/names.h"
#include "pg/postmaster.h"
#include "pg/probe.h"
#include "pg/session.h"
#include "pg/settings.h"
#include "pg/write_probe.h"
#include "runtime/log.h"
#include "runtime/pool.h"

namespace aurum::pg {

/// The one PostgreSQL of this node: its data directory, its configuration files, its postmaster. It
/// carries out and observes; what is to be done is decided in core/ (core/job.h names the
/// functions' contracts). It knows no store.
///
/// Lives on one executor. probe(), disk_probe(), checkpoint(), inspect(), replayed() and promote()
/// may overlap with each other; functions that start, stop or change the data directory run one at
/// a time (the caller sees to that). Cancelling a coroutine kills the program it runs; a data
/// directory half-way is then DataDir::incomplete.
class Postgres {
 public:
  using Progress = std::function<void(std::string)>;
  struct CloneReport {
    model::Upstream source;
    std::string method;
  };
  struct SlotChanges {
    std::vector<std::string> create;  ///< physical, immediately reserved
    std::vector<std::string> drop;
    std::vector<std::pair<std::string, model::Lsn>> advance;
    std::vector<model::SlotConfig> create_logical;
  };

  /// All references outlive this object.
  Postgres(runtime::asio::any_io_executor executor, runtime::Pool& pool,
           const model::LocalConfig& config, Launcher& launcher, runtime::Logger& log);
  /// After SIGHUP; takes effect with the next configure() or start().
  void reconfigure(const model::LocalConfig& config) { config_ = &config; }
  /// Servers are started with the commit fence, where it is installed, reading this lease page.
  void use_lease_page(const std::filesystem::path& page) { lease_page_ = page.string(); }
  /// Awaited behind the checkpoint of a stop that is not hurried: bounded by itself.
  void before_clean_stop(std::function<Task<void>()> what) { before_clean_stop_ = std::move(what); }

  /// One observation, never longer than `timeout`. Keeps one connection ('Patroni heartbeat'), also
  /// to a server that hangs. On a primary an insert position that is not flushed counts as a hang
  /// (see FlushWatch), and so does a checkpointer that is stuck for `hang_limit` (checkpointer.h).
  Task<model::PgFacts> probe(Duration timeout, Duration hang_limit = seconds(5));
  /// Whether its disks take writes, see write_probe.h. Writes no WAL. While a former one hangs no
  /// other is begun; Code::timeout.
  Task<Result<Room>> disk_probe(Duration timeout);
  /// How much room its volumes have. Code::timeout: their disk hangs.
  Task<Result<model::DiskFacts>> volumes(Duration timeout);
  /// See pg/volumes.h.
  Task<Status> hold_ballast(std::uint64_t data, std::uint64_t wal);

  /// Makes a new cluster by bootstrap.initdb or bootstrap.method, and its pg_hba.conf. Code::exists
  /// unless the directory is empty or incomplete. Gives the system identifier. A failure leaves an
  /// empty directory; success one that is marked as being founded.
  Task<Result<std::string>> initdb(model::DynamicConfig dynamic);
  /// The user's post_bootstrap command, then roles, passwords and grants, on the running new
  /// primary. It can be run again while the founding has not ended, and then so is the user's
  /// command.
  Task<Status> post_bootstrap();
  /// Removes the mark that initdb() leaves (PgFacts::founding): the store knows this cluster.
  Task<Status> end_founding();
  /// One sentence for each login of the configuration that the running server does not have, or not
  /// with the right it needs: a cluster that was adopted and not made here may lack them.
  Task<Result<std::vector<std::string>>> missing_roles();
  /// Fills the directory by create_replica_methods from one of `sources` (in order of preference).
  /// `methods`: in place of those of the configuration.
  Task<Result<CloneReport>> clone(std::vector<model::Upstream> sources, bool only_basebackup,
                                  Progress progress, std::vector<std::string> methods = {});

  /// Writes the configuration and starts; ends when the server accepts connections. Code::timeout:
  /// it is still starting. Code::exists: it runs already.
  Task<Status> start(model::PgTarget target, model::DynamicConfig dynamic, Duration timeout);
  /// before_stop, then stops; after `timeout` in mode immediate, then by killing. An error only if
  /// it still lives.
  /// `mark_end`: see core/job.h. `last_record`, if any, is told where a primary's shutdown
  /// checkpoint begins, once that is written and nobody is served any more, but before the archiver
  /// and the walsenders have ended.
  Task<Status> stop(model::StopMode mode, Duration timeout, bool checkpoint_first,
                    bool mark_end = false, std::function<void(model::Lsn)> last_record = {});
  Task<Status> restart(model::PgTarget target, model::DynamicConfig dynamic, Duration timeout);
  /// Writes the configuration; reloads the server, if one runs, when something changed or `always`,
  /// and gives whether it did.
  Task<Result<bool>> configure(model::PgTarget target, model::DynamicConfig dynamic,
                               bool always = false);
  Task<Status> reload();  ///< SIGHUP to the postmaster
  /// pre_promote (its failure: Code::cancelled), `begins`, promotes to a timeline greater than
  /// `above`, ends when writable.
  Task<Status> promote(model::Timeline above, std::function<void()> begins = {},
                       Duration timeout = seconds(60));
  Task<Status> checkpoint(Duration timeout = std::chrono::minutes(30));

  /// How far an upstream is, by a replication connection with the replication login.
  Task<Result<model::UpstreamState>> inspect(model::Upstream upstream,
                                             Duration timeout = seconds(5));
  /// What our own standby has replayed.
  Task<Result<model::Replayed>> replayed(Duration timeout = seconds(2));
  /// Where the WAL of a crashed primary ends, behind the last process of the server; `flushed` as
  /// it said last, 0 = unknown. Code::exists while a server runs, Code::timeout, and errors of
  /// pg_waldump.
  Task<Result<model::Lsn>> wal_end(model::Lsn flushed, model::Timeline timeline, Duration timeout);
  /// Single-user recovery of a crashed primary's directory. Code::invalid for a standby's.
  Task<Status> crash_recovery();
  /// pg_rewind from `source` with the rewind login. An error with the directory still `ready`:
  /// nothing was changed.
  Task<Status> rewind(model::Upstream source);
  /// Removes the directory's content; refuses DataDir::foreign and a running server.
  Task<Status> clear_data(std::string why);
  /// Moves the directory to a sibling `<name>.aside-<time>` and makes it empty; where the disk has
  /// no room for that (aside.h), or it can not be moved, as clear_data().
  Task<Status> set_aside(std::string why);
  Task<Status> change_slots(SlotChanges changes);
  /// Gives this standby the leader's logical slots, by a restart; false: the leader does not hold
  /// what they need for us yet, or has none of them, and nothing was done.
  Task<Result<bool>> copy_slots(model::Upstream leader, std::vector<model::SlotConfig> slots,
                                model::PgTarget target, model::DynamicConfig dynamic,
                                Duration timeout);

  // Changing a password (docs/decisions/0018; role_password.cc).
  /// What the running server keeps of a role's password: see takes_password() in pg/scram.h.
  /// Code::not_found: no such role.
  Task<Result<std::string>> role_secret(std::string role);
  /// ALTER ROLE on a primary. The password itself is neither sent nor logged.
  Task<Status> set_role_password(std::string role, std::string password);
  /// Writes the password file of the upstream's walreceiver again, as the configuration says now.
  Task<Status> rewrite_passfile();

  Task<Result<model::History>> read_history(model::Timeline timeline);

  Task<Result<model::ControlData>> control_data(Duration timeout = seconds(10));
  Task<model::DataDir> data_dir();
  /// <data_dir>/patroni.dynamic.json (§3.1): only in a directory that is `ready`.
  Task<Status> save_dynamic_config(model::Value tree);
  Task<Result<model::Value>> load_dynamic_config();

 private:
  /// The part of an observation that comes from the file system.
  struct Look {
    model::DataDir data_dir = model::DataDir::empty;
    bool founding = false;
    std::optional<LivePostmaster> postmaster;
    std::optional<Activity> checkpointer;
    std::int64_t control_changed_ns = 0;
    bool backup_label = false;
  };
  enum class Purpose { heartbeat, work };
  using SessionPtr = std::unique_ptr<Session>;

  // probe.cc, connections.cc
  Task<void> ask_server(model::PgFacts& facts, const LivePostmaster& server, Instant deadline,
                        Duration hang_limit);
  Task<Status> ask_once(Session& session, model::PgFacts& facts, Instant deadline);
  Task<void> find_checkpointer(Session& session, Instant deadline);
  Task<Status> prove_flush(Session& session, const model::PgFacts& facts, model::Lsn insert,
                           Instant deadline);
  Task<void> add_control_data(model::PgFacts& facts, const Look& look, Instant deadline);
  Task<Result<Keywords>> local_keywords(Purpose purpose, const PostmasterPid& server,
                                        Duration timeout);
  Task<Status> connect_as(Session& session, model::Login login, Keywords keywords,
                          Instant deadline);
  Task<Status> connect_local(Session& session, Purpose purpose, const PostmasterPid& server,
                             Duration timeout);
  /// A connection of its own to the running local server.
  Task<Result<SessionPtr>> open_local(Duration timeout, std::string database = {},
                                      Keywords more = {});
  Task<Result<SessionPtr>> open_remote(model::Upstream upstream, model::Login login, Keywords more,
                                       Duration timeout);
  Task<std::optional<LivePostmaster>> live_postmaster();

  // lifecycle.cc
  Task<bool> await_end(int pid, Duration timeout, std::function<void(model::Lsn)> last_record);

  // configuration.cc, role_password.cc
  struct Written {
    bool changed = false;
    WantedSettings wanted;
  };
  Task<Result<Written>> write_configuration(model::PgTarget target, model::DynamicConfig dynamic,
                                            bool starting);
  Task<Status> release_reserved_timelines();
  Task<void> take_back_bad_hba(std::filesystem::path file, std::string before);
  /// Takes out what the server would refuse.
  Task<void> check_settings(WantedSettings& wanted,
                            std::function<std::string(const WantedSettings&)> render);
  // commit_fence.cc
  Task<void> add_fence(WantedSettings& wanted,
                       std::function<std::string(const WantedSettings&)> render);
  Task<Result<std::string>> users_libraries(const WantedSettings& wanted, CheckPlan plan);
  Task<Status> write_passfile(std::vector<model::Upstream> upstreams);
  Task<std::string> accepted_password(model::Upstream upstream, model::Login login, Keywords more);
  Task<Status> write_local_passfile(const PostmasterPid& server);
  std::filesystem::path config_dir() const;
  std::filesystem::path config_file() const;

  // lifecycle.cc
  Task<Status> check_startable();
  Task<Result<int>> version_of(std::string tool);  ///< major version that a program prints
  Task<Status> end_orphans(Duration timeout);
  Task<Status> mark_end_of_wal();
  Task<Status> await_connections(int pid, Duration timeout);
  Task<Error> why_it_ended(int pid);
  Task<Status> reserve_timelines_up_to(model::Timeline above, Session& session, Duration timeout);
  Task<Result<std::string>> program(std::string name);  ///< of the data directory's version
  Task<Status> run_hook(std::string name, std::string command, std::vector<std::string> more,
                        std::vector<std::string> environment, Duration timeout);

  // bootstrap.cc, clone.cc
  Task<Status> run_initdb(std::filesystem::path staging);
  Task<Status> run_custom_bootstrap();
  Task<Status> make_roles(Session& session);
  Task<Status> close_door();  ///< the superuser's way in without a password, while it was made
  Task<Status> make_role(Session& session, model::Login login, std::string attributes);
  Task<Status> prepare_empty_dir(std::string what);
  Task<Status> basebackup(model::Upstream source, Progress progress);
  Task<Status> custom_method(std::string name, std::optional<model::Upstream> source,
                             Progress progress);
  Task<Status> finish_copy(bool founding = false);
  Task<Status> ready_source_for_rewind(model::Upstream source);
  Task<Status> ready_standby_for_rewind(model::Upstream source, Session& session,
                                        bool may_checkpoint);

  runtime::asio::any_io_executor executor_;
  runtime::Pool& pool_;
  const model::LocalConfig* config_;
  Launcher& launcher_;
  runtime::Logger& log_;

  Names names_;
  Bounded<Look> looks_;
  Bounded<Result<Room>> disk_probes_;
  Bounded<Result<model::DiskFacts>> volume_looks_;
  /// The heartbeat connection while nobody uses it. A user moves it out and puts it back: it is
  /// never closed under a coroutine that waits on it.
  SessionPtr heartbeat_;
  int heartbeat_pid_ = 0;  ///< postmaster it belongs to
  int timeouts_in_a_row_ = 0;
  FlushWatch flush_watch_;
  CheckpointerWatch checkpointer_;
  std::optional<Look> last_look_;
  std::optional<model::ControlData> control_;
  std::int64_t control_of_ns_ = 0;

  std::mutex passfile_mutex_;  ///< a job and rewrite_passfile() may write it at once, in the pool
  std::vector<model::Upstream> passfile_of_;  ///< whom postgresql.pgpass was last written for
  std::optional<WantedSettings>
      wanted_;  ///< of the last configuration written, without the raised limits
  model::Value pending_restart_;
  Instant pending_checked_{};  ///< when pending_restart_ was last compared; 0 = do it now
  Instant reloaded_{};         ///< when the server was told to reload
  Settings checked_;           ///< what the users set, as check_settings() saw it last
  std::string refused_hba_;    ///< text of a pg_hba.conf that the server does not take
  std::string lease_page_;     ///< "" = no fence
  std::function<Task<void>()> before_clean_stop_;
  std::string fence_missing_;         ///< why, as it was told last
  std::string libraries_of_;          ///< the files' state that libraries_ is of
  std::string libraries_;             ///< what the user's files preload
  std::vector<std::string> refused_;  ///< of those, what the server does not take
};

}  // namespace aurum::pg
