#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/core.h"
#include "sim/faults.h"
#include "sim/postgres.h"
#include "sim/queue.h"
#include "sim/store.h"
#include "sim/trace.h"
#include "sim/violation.h"

/// A small deterministic world around real Cores: store, network, PostgreSQL servers, lease
/// threads, guards and clients, in virtual time. The same seed gives the same run. After every
/// event the rules of oracles.cc are checked; what broke one is in World::violations.
namespace aurum::sim {

// The world speaks the core's language all through: its events, effects and jobs.
using namespace core;

/// One database node: host, agent, guard and server.
struct Node {
  std::string name;
  model::LocalConfig config;

  // The host and its network.
  bool up = true;
  bool reaches_store = true;
  bool reaches_peers = true;
  bool watch_is_dead = false;  ///< it hears of no change; reading works (F7)
  Duration clock_ahead{};      ///< this machine's CLOCK_BOOTTIME begins elsewhere
  Postgres pg;

  // The guard and its page; they outlive the agent, not the host.
  struct Page {
    PageState state = PageState::idle;
    std::uint64_t epoch = 0;
    Instant deadline;
  } page;
  bool kill_pending = false;
  Instant lied_until;  ///< the store ended its lease, which would have lasted so long
  int guard_kills = 0;

  // The agent. `life` tells its instances apart: what a former one began can not reach this one.
  std::unique_ptr<Core> core;
  int life = 0;
  std::set<JobId> jobs;
  Duration lease_wanted{};
  model::LeaseId lease = 0;
  Duration lease_ttl{};
  StartRenewing renewing;  ///< epoch 0: not
  int renewal = 0;         ///< tells renewals apart: an answer to a former one moves nothing
  Instant proof_at;
  std::uint64_t wake_asked = 0;
  std::optional<std::pair<int, std::string>> exited;

  // Faults of the way to the store: how many of the next requests suffer.
  int lose_replies = 0;    ///< done, but nobody tells
  int delay_requests = 0;  ///< given up by the client, and done seconds later

  // What it said.
  std::vector<Note> notes;
  std::vector<Instant> noted;  ///< when each was said
  std::vector<Reply> replies;
  std::vector<std::string> callbacks;

  bool said(const std::string& event) const;
  bool leads() const { return core && core->state().lead.held; }
};

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
  model::Value dcs;             ///< bootstrap.dcs; ttl 10 and use_pg_rewind when null
  bool trace = false;           ///< fill World::trace
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
  /// One writer, who leads in the store; every other running agent's server streams from it.
  bool healthy();
  std::string describe();

  // What happens to it.
  void start_agent(Node& n);
  void kill_agent(Node& n);  ///< SIGKILL: server, guard and page stay
  void stop_agent(Node& n);  ///< SIGTERM
  void kill_server(Node& n);
  void power_off(Node& n);
  void power_on(Node& n);  ///< with its agent
  void cut_store(bool cut) { store_cut_ = cut; }
  void slow_store(Duration most) { store_slow_ = most; }  ///< each message takes up to so much more
  void cut_between(const Node& a, const Node& b) { cuts_.insert(std::minmax(a.name, b.name)); }
  void cut_nobody() { cuts_.clear(); }
  void set_config(const std::string& key, model::Value value);
  void request_failover(const model::FailoverRequest& request);
  void request(Node& n, Request what);
  void deliver(Node& n, Event event) { post(n, std::move(event), Duration{0}); }
  void expire_lease(Node& n);  ///< the store forgets it before its time

  // Random runs (inject.cc).
  void inject(const Fault& fault);
  void violation(Rule rule, std::string what);
  void heal();  ///< undoes every fault, and starts what is down
  std::map<std::string, int> faults_begun;
  std::vector<TraceEntry> trace;

  Store store;
  std::vector<Violation> violations;
  std::vector<Acknowledged> acknowledged;
  int lost_guarded = 0, lost_unguarded = 0;
  int initdbs = 0;
  int failovers = 0;                            ///< times that another node became the writer
  std::uint64_t steps = 0;                      ///< events that cores took in
  std::uint64_t digest = 1469598103934665603u;  ///< of all of them
  std::string last_event() const;
  WallTime wall() const { return {1'800'000'000'000'000 + now_.ns / 1000}; }
  std::uint64_t random(std::uint64_t below) { return random_() % below; }

 private:
  struct Pending {
    std::string node;
    int branch = 0;
    model::Lsn lsn;
  };

  // world.cc
  void at(Duration in, Action what);
  /// Only while this instance of the agent lives.
  void at_agent(Node& n, Duration in, Action what);
  void post(Node& n, Event event, Duration in);
  void post_snapshot(Node& n, std::shared_ptr<const model::ClusterView> view, Instant sent_at,
                     Duration in);
  void step(Node& n, const Event& event);
  void note_step(const Node& n, const Event& event, std::size_t effects);
  bool step_queue(Instant until);
  Duration jitter(Duration least, Duration most);
  Instant clock(const Node& n) const { return now_ + n.clock_ahead; }
  void publish();
  void watch_loop(Node& n);
  void probe(Node& n);
  void probe_loop(Node& n);
  model::PgFacts observe(const Node& n) const;
  void server_ended(Node& n, const std::string& how);
  bool linked(const Node& a, const Node& b) const;

  // traffic.cc
  void traffic();
  void replicate(Node& n);
  void write(Node& n);
  void acknowledge();
  bool replicated(const Node& primary, const Pending& write);
  Node* upstream(const Node& n);

  // effects.cc
  bool store_reached(const Node& n) const { return n.up && n.reaches_store && !store_cut_; }
  template <class AtStore, class Then>
  void call_store(Node& n, AtStore at_store, Then then);
  void run(Node& n, const ReadDcs&);
  void run(Node& n, const WriteDcs&);
  void run(Node& n, const HoldLease&);
  void run(Node& n, const StartRenewing&);
  void run(Node& n, const StopRenewing&);
  void run(Node& n, const SetLeasePage&);
  void run(Node& n, const StartJob&);
  void run(Node& n, const CancelJob&);
  void run(Node& n, const AskPeers&);
  void run(Node& n, const Reply&);
  void run(Node& n, const Callback&);
  void run(Node& n, const KillPg&);
  void run(Node& n, const Note&);
  void run(Node& n, const WakeAt&);
  void run(Node& n, const Exit&);
  void grant_lease(Node& n);
  void keep_lease(Node& n, model::LeaseId lease);
  void renew(Node& n, int renewal);

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
  void job(Node& n, JobId id, const ReadHistory&);
  void promote_server(Node& n, const Promote& promote);
  void launch(Node& n, const model::PgTarget& target, std::function<void(Status)> then);
  void halt(Node& n, model::StopMode mode, Duration timeout, std::function<void()> then);

  // oracles.cc

  void check();
  void check_calm();
  void check_writers();
  void check_lock(Node& n);
  void check_fit_to_lead(const Node& n);
  void check_timeline(const Node& n);
  void check_sync(const Node& n);
  void check_rows(const Node& new_writer);
  void guards();

  // trace.cc
  void trace_as(TraceEntry::Kind kind, const std::string& node, std::string text);
  void trace_changes();
  std::map<std::string, std::string> traced_, traced_pages_;
  std::string traced_leader_;

  // inject.cc
  void resume();
  Node* target(const Fault& fault);

  Queue queue_;
  Instant now_;
  std::mt19937_64 random_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  std::vector<Node*> order_;  ///< of their names
  std::vector<Pending> pending_;
  bool store_cut_ = false;
  Duration store_slow_{};
  std::set<std::pair<std::string, std::string>> cuts_;  ///< pairs that do not see each other
  model::Revision published_ = 0;
  Event snapshot_ = DcsSnapshot{};  ///< the one delivered last: most are told to several nodes
  int next_branch_ = 1;
  int next_pid_ = 100;
  std::uint64_t wakes_ = 0;
  bool tracing_ = false;
  bool restart_agents_ = false;
  std::uint64_t heals_ = 0;  ///< what began before the last one is not undone once more
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
