#pragma once

#include <array>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/core.h"
#include "sim/faults.h"
#include "sim/node.h"
#include "sim/queue.h"
#include "sim/store.h"
#include "sim/sync_wait.h"
#include "sim/trace.h"
#include "sim/violation.h"

/// A small deterministic world around real Cores: store, network, PostgreSQL servers, lease
/// threads, guards and clients, in virtual time. The same seed gives the same run. After every
/// event the rules of oracles.cc are checked; what broke one is in World::violations.
namespace aurum::sim {

/// A write that a client was told to be committed.
struct Acknowledged {
  std::string node;
  int branch = 0;
  model::Lsn lsn;
  bool guarded = false;  ///< the `sync` key spoke for the node: it must never be lost
};

struct WorldOptions {
  int nodes = 3;
  std::uint64_t seed = 1;
  std::string profile;   ///< aurum.profile of every node
  model::Value dcs;      ///< bootstrap.dcs; ttl 10 and use_pg_rewind when null
  bool trace = false;    ///< fill World::trace
  bool fence = false;    ///< servers compare the lease page with the clock at every commit
  bool archive = false;  ///< primaries archive what they write, and standbys restore it
  bool drifting_clocks = false;
  bool restart_agents = false;  ///< as a service manager does, when one ended by itself
};

class World {
 public:
  explicit World(WorldOptions options = {});

  // Time.
  Instant now() const { return now_; }
  void run_for(Duration span);
  /// Runs until it holds, at most `limit`; whether it came to hold.
  bool run_until(const std::function<bool()>& holds, Duration limit);
  bool run_until_healthy(Duration limit = seconds(60));

  // Who is there.
  Node& node(const std::string& name);
  const std::vector<Node*>& nodes() const { return order_; }
  Node* writer();                 ///< the node whose server takes writes now
  std::vector<Node*> replicas();  ///< streaming from the writer
  std::string leader() const;     ///< in the store
  Duration ttl() const;           ///< in force
  /// Whether it could be the next leader by what is on the disks and in the store, with the nodes
  /// of the bits `off` off.
  bool may_lead(const Node& n, std::uint32_t off) const;
  /// One writer, who leads in the store; in a standby cluster whoever streams from the remote.
  bool led();
  /// And every other running agent's server streams from it.
  bool healthy();
  std::string describe();

  // What happens to it.
  void start_agent(Node& n);
  void kill_agent(Node& n);  ///< SIGKILL: server, guard and page stay
  void stop_agent(Node& n);  ///< SIGTERM
  void kill_server(Node& n);
  void shut_down_server(Node& n);          ///< as pg_ctl does, unknown to the agent
  void fill_disk(Node& n, unsigned left);  ///< percent of its 100 GB that are left
  void power_off(Node& n);
  void power_on(Node& n);  ///< with its agent
  void cut_store(bool cut) { store_cut_ = cut; }
  void set_config(const std::string& key, model::Value value);
  void request_failover(const model::FailoverRequest& request);
  void request(Node& n, Request what);
  void deliver(Node& n, Event event) { post(n, std::move(event), Duration{0}); }
  void cut_between(Node& a, Node& b, bool cut = true);
  void expire_lease(Node& n);  ///< the store forgets it before its time
  /// The primary of another cluster, which a standby cluster follows: a server without an agent.
  Node& add_remote();
  /// It is lost, and one of its standbys, which missed the last so many bytes, is promoted.
  void fail_over_remote(std::uint64_t lost_bytes);
  void take_backups();       ///< every few seconds, for the restores of random runs
  void let_remote_follow();  ///< as a standby of this cluster, whenever that has a primary

  // Random runs (inject.cc).
  void inject(const Fault& fault);
  void violation(Rule rule, std::string what);
  /// Undoes every fault, and starts what is down; the nodes of these bits are switched off.
  void heal(std::uint32_t stay_off = 0);
  std::array<int, kFaultKinds> faults_begun{};
  std::vector<TraceEntry> trace;

  Store store;
  std::vector<Violation> violations;
  std::map<std::string, int> excused;  ///< by name, see docs/SIMULATION.md
  std::vector<Acknowledged> acknowledged;
  int lost_guarded = 0, lost_unguarded = 0;
  bool forgotten = false;  ///< a disk that lied lost something
  Wal backup;              ///< what a restore begins with
  Wal archived;            ///< and replays; the last primary that stopped cleanly has left it
  int initdbs = 0;
  int failovers = 0;                            ///< times that another node became the writer
  std::uint64_t steps = 0;                      ///< events that cores took in
  std::uint64_t digest = 1469598103934665603u;  ///< of all of them
  std::string last_event() const;
  WallTime wall() const { return {1'800'000'000'000'000 + now_.ns / 1000}; }
  std::uint64_t random(std::uint64_t below) { return random_() % below; }

 private:
  /// A client waits for it.
  struct Commit {
    Node* node = nullptr;
    int branch = 0;
    model::Lsn lsn;
  };

  // world.cc
  void at(Duration in, Action what);
  /// Only while this instance of the agent lives.
  void at_agent(Node& n, Duration in, Action what);
  void at_lease_thread(Node& n, Duration in, Action what);  ///< likewise
  void at_server(Node& n, Duration in, Action what);        ///< waits while the host is frozen
  /// How long until this node's clock shows that time.
  Duration until(const Node& n, Instant local) const;
  void post(Node& n, Event event, Duration in);
  void post_view(Node& n, model::SharedView view, Instant sent_at, Duration in);
  void step(Node& n, Event event);
  void note_step(const Node& n, const Event& event, std::size_t effects);
  bool step_queue(Instant until);
  Duration jitter(Duration least, Duration most);
  Instant clock(const Node& n) const {
    const std::int64_t whole = now_.ns / 1'000'000, rest = now_.ns % 1'000'000;
    return now_ + n.clock_ahead + Duration(whole * n.clock_ppm + rest * n.clock_ppm / 1'000'000);
  }
  void publish();
  void watch_loop(Node& n);
  void probe(Node& n);
  void probe_loop(Node& n);
  model::PgFacts observe(const Node& n) const;
  void server_ended(Node& n, const std::string& how);
  bool passes(const Node& from, const Node& to) const;  ///< what one sends, the other receives
  bool linked(const Node& a, const Node& b) const { return passes(a, b) && passes(b, a); }
  /// For a new connection.
  bool connects(const Node& from, const Node& to) const {
    return from.names == Node::Names::resolve && linked(from, to);
  }
  Duration lookup(const Node& n) const;  ///< what a name costs
  const model::SharedView& read_by(const Node& n);

  // traffic.cc
  void traffic();
  void replicate(Node& n);
  void write(Node& n);
  void acknowledge();
  model::Lsn confirmed(const Node& primary) const;
  SyncWait wait_of(const Node& primary) const;
  Node* upstream(const Node& n);

  // remote.cc
  bool following() const;  ///< a remote, by the configuration in the store
  void serve_remote();
  void remote_receives();
  void remote_receives_the_last(const Node& from);
  bool begin_remote(const Fault& fault, Node& n);
  bool demote_cluster(const Fault& fault);
  bool promote_cluster(const Fault& fault);
  void promote_remote_soon(Instant at_last);
  void heal_remote();
  bool led_as_standby();

  // restore.cc
  void fetch_backup(DataDirectory& data, const std::string& label);
  Wal archived_along(const Wal& from, model::Timeline timeline) const;
  void opened_restored(const Node& n);
  void check_restore(const Node& n);
  bool begin_restoring(const Fault& fault);
  bool restore_cluster(const Fault& fault);
  bool end_restore(const Fault& fault);
  void resume_restore(model::Restore restore);
  void undo_restore(model::Restore restore);
  void confirm_restore(model::Restore restore);
  void finish_restore(int errors);

  // archive.cc
  void replay_archive(Wal& wal, const Wal& line) const;
  void archive(const Node& n, model::Lsn until);
  void restore_wal(Node& n);

  // effects.cc
  bool store_reached(const Node& n) const {
    return n.up && n.reaches_store && !store_cut_ && !store.leaderless();
  }
  bool request_arrives(const Node& n) { return store_reached(n) && !n.mute_to_store && !lost(n); }
  bool answer_arrives(const Node& n) { return store_reached(n) && !n.deaf_to_store && !lost(n); }
  bool lost(const Node& n) { return n.loss > 0 && static_cast<int>(random(1000)) < n.loss; }
  Duration trip(const Node& n) { return jitter(Duration{0}, milliseconds(2) + n.delay); }
  template <class AtStore, class Then>
  void call_store(Node& n, Queue::Process process, AtStore at_store, Then then);
  void run(Node& n, const ReadDcs&);
  void run(Node& n, const WriteDcs&);
  void run(Node& n, const HoldLease&);
  void run(Node& n, const StartRenewing&);
  void run(Node& n, const StopRenewing&);
  void run(Node& n, const SetLeasePage&);
  void run(Node& n, const ShortenLeasePage&);
  void run(Node& n, const StartJob&);
  void run(Node& n, const CancelJob&);
  void run(Node& n, const ExtendLeasePage&);
  void run(Node& n, const ArmWatchdog&);
  void run(Node& n, const HoldBallast&);
  void run(Node& n, const ProbePg&);
  void run(Node& n, const AskPeers&);
  void run(Node& n, const AskConsent&);
  void hear_consent_asked(Node& n, Node& peer, const AskConsent& ask, Duration back);
  void run(Node& n, const Reply&);
  void run(Node& n, const Callback&);
  void run(Node& n, const KillPg&);
  void run(Node& n, const Note&);
  void run(Node& n, const WakeAt&);
  void run(Node& n, const Exit&);
  void wake(Node& n);
  void grant_lease(Node& n);
  void keep_lease(Node& n, model::LeaseId lease, Duration in);
  void renew(Node& n, int renewal);
  void renewed(Node& n, const LeaderRenewed& e);
  void beat(Node& n, int renewal);

  // jobs.cc: each begins at once and ends later; what PostgreSQL does goes on without the agent.
  void end_job(Node& n, int life, JobId id, Result<JobResult> result);
  void job(Node& n, JobId id, const InitDb&);
  void job(Node& n, JobId id, const PostBootstrap&);
  void job(Node& n, JobId id, const Clone&);
  void job(Node& n, JobId id, const StartPg&);
  void job(Node& n, JobId id, const StopPg&);
  void job(Node& n, JobId id, const RestartPg&);
  void job(Node& n, JobId id, const Configure&);
  void job(Node& n, JobId id, const Promote&);
  void job(Node& n, JobId id, const Checkpoint&);
  void job(Node& n, JobId id, const Inspect&);
  void job(Node& n, JobId id, const CrashRecovery&);
  void job(Node& n, JobId id, const Rewind&);
  void job(Node& n, JobId id, const ClearData&);
  void job(Node& n, JobId id, const ChangeSlots&);
  void job(Node& n, JobId id, const CopySlots&);
  void job(Node& n, JobId id, const FindWalEnd&);
  void job(Node& n, JobId id, const ReadHistory&);
  void job(Node& n, JobId id, const RestoreWork&);  ///< restore.cc
  void replay(Node& n, int pid, const model::PgRecovery& recovery);
  void promote_server(Node& n, const Promote& promote);
  void launch(Node& n, const model::PgTarget& target, std::function<void(Status)> then);
  void halt(
      Node& n, model::StopMode mode, Duration timeout, std::function<void()> then,
      std::function<void()> last_record = [] {});
  void write_last_record(Node& n);

  // oracles.cc

  void check();
  void check_calm();
  void check_writers();
  void check_lock(Node& n);
  void check_fit_to_lead(const Node& n);
  void check_sync(const Node& n);
  void check_promotion(const Node& n);
  void check_rows(Node& new_writer);
  void check_acknowledged(const Node& n);
  bool page_allows(const Node& n) const;
  /// A broken rule that today's design does not promise to keep: named and counted.
  const char* excuse(const Node& n) const;
  bool paused() const;  ///< by the operator, as the store has it
  bool may_acknowledge(const Node& n) const { return !fence_ || page_allows(n); }
  void guards();

  // trace.cc
  void trace_as(TraceEntry::Kind kind, const std::string& node, std::string text);
  void trace_changes();
  std::map<std::string, std::string> traced_, traced_pages_;
  std::string traced_leader_;

  // inject.cc
  Node* target(const Fault& fault);
  Node& other_than(const Node& n, std::uint64_t detail);
  bool about_to_hear_of_its_lease(const Node& n) const;
  void undo_later(const Fault& fault, Action what);
  void start_again_later(const Fault& fault, Node& n);
  void pause(Node& n, std::initializer_list<Queue::Process> processes, Duration span);
  void freeze(Node& n, Duration span);
  void thaw(Node& n);
  bool begin(const Fault& fault, Node& n);
  bool begin_process(const Fault& fault, Node& n);
  bool begin_network(const Fault& fault, Node& n);
  bool begin_store(const Fault& fault, Node& n);
  bool begin_disk(const Fault& fault, Node& n);
  bool lying_disk(const Fault& fault, Node& n);
  void cycle_power(const Fault& fault);
  void heal_node(Node& n);

  // operators.cc
  bool begin_operator(const Fault& fault, Node& n);
  bool change_sync_mode(model::SyncMode mode, bool strict);
  bool sync_mode_on() const;
  bool has_votes(const Node& n, std::uint32_t off) const;
  bool remove_member(const Fault& fault, Node& n);
  void end_operations();

  Queue queue_;
  Instant now_;
  std::mt19937_64 random_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  std::vector<Node*> order_;  ///< of their names
  std::unique_ptr<Node> remote_;
  bool remote_follows_ = false;              ///< this cluster
  model::Revision follows_since_ = 0;        ///< this one the remote; 0: from its founding on
  model::Revision status_counts_since_ = 0;  ///< before it may tell of what was thrown away
  std::map<std::string, Wal> backups_;       ///< by label
  std::optional<Wal> intended_;              ///< what the restore that was asked for last gives
  /// When the restored cluster opened, and may come back.
  std::optional<std::vector<Acknowledged>> before_restore_;
  int restored_branch_ = 0;  ///< whoever leads has it
  int restores_asked_ = 0;
  std::vector<Commit> pending_;
  bool store_cut_ = false;
  model::Revision published_ = 0;
  int next_branch_ = 1;
  int next_pid_ = 100;
  bool tracing_ = false;
  bool fence_ = false;
  bool with_quorum_ = false;  ///< so it was founded
  bool archiving_ = false;
  std::map<int, Wal> archive_;  ///< by branch: what is there of it, and where it comes from
  std::deque<model::SharedView> revisions_;  ///< the last ones published
  model::Timeline newest_acknowledged_ = 0;
  Instant two_excused_{-1'000'000'000};  ///< seen last
  model::Revision sync_checked_ = 0;
  std::string sync_names_checked_;
  bool restart_agents_ = false;
  RequestId consents_asked_ = 1u << 30;  ///< no request of a test has such a number
  std::uint64_t heals_ = 0;              ///< what began before the last one is not undone once more
  struct LastEvent {
    Instant at;
    const Node* node = nullptr;
    std::size_t event = 0;
    std::size_t effects = 0;
  } last_event_;
  std::string last_writer_;
  int last_branch_ = 0;
  int newest_branch_ = 0;
  std::map<model::Timeline, int> branch_of_;  ///< of timelines on which writes were acknowledged
  Instant calm_until_;
  std::uint64_t steps_at_ = 0;
  bool spins_ = false;
};

}  // namespace aurum::sim
