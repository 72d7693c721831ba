#include "sim/world.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/ensure.h"

namespace aurum::sim {

namespace {

/// How far back a member of the store may be that serves old reads.
constexpr std::size_t kRevisionsKept = 40;

}  // namespace

bool Node::said(const std::string& event) const {
  return std::any_of(notes.begin(), notes.end(), [&](const Note& n) { return n.event == event; });
}

World::World(WorldOptions options)
    : random_(options.seed),
      tracing_(options.trace),
      fence_(options.fence),
      archiving_(options.archive),
      restart_agents_(options.restart_agents) {
  const model::Value* mode = options.dcs.find("synchronous_mode");
  with_quorum_ = mode != nullptr && mode->is_string();
  for (int i = 1; i <= options.nodes; ++i) {
    auto n = std::make_unique<Node>();
    n->name = fmt::format("n{}", i);
    n->index = i - 1;
    n->clock_ahead = seconds(1000) * i;
    // Rates differ from the store's by less than 1 %, which is what the lease rules allow.
    if (options.drifting_clocks) n->clock_ppm = static_cast<std::int64_t>(random(19'001)) - 9'500;
    n->config.name = n->name;
    n->config.scope = "world";
    n->config.pg.connect_address = fmt::format("10.0.0.{}:5432", i);
    n->config.rest.connect_address = fmt::format("10.0.0.{}:8008", i);
    n->config.aurum.profile = options.profile;
    n->config.watchdog.mode = "off";
    n->config.bootstrap.present = true;
    model::Value& dcs = n->config.bootstrap.dcs = options.dcs;
    if (dcs.find("ttl") == nullptr) dcs.set("ttl", 10);
    if (dcs.find("loop_wait") == nullptr) dcs.set("loop_wait", 5);
    if (dcs.find("retry_timeout") == nullptr) dcs.set("retry_timeout", 3);
    if (dcs.find("postgresql") == nullptr)
      dcs.set("postgresql", model::Value::object()).set("use_pg_rewind", true);
    order_.push_back(n.get());
    nodes_[n->name] = std::move(n);
  }
  at(milliseconds(50), [this] { traffic(); });
}

// ---------------------------------------------------------------------------------------- time

void World::at(Duration in, Action what) {
  queue_.put(now_ + std::max<Duration>(in, Duration{0}), {.what = std::move(what)});
}

void World::at_agent(Node& n, Duration in, Action what) {
  queue_.put(
      now_ + std::max<Duration>(in, Duration{0}),
      {.what = std::move(what), .node = &n, .life = n.life, .process = Queue::Process::loop});
}

void World::at_lease_thread(Node& n, Duration in, Action what) {
  queue_.put(now_ + std::max<Duration>(in, Duration{0}), {.what = std::move(what),
                                                          .node = &n,
                                                          .life = n.life,
                                                          .process = Queue::Process::lease_thread});
}

void World::at_server(Node& n, Duration in, Action what) {
  queue_.put(
      now_ + std::max<Duration>(in, Duration{0}),
      {.what = std::move(what), .node = &n, .life = n.boot, .process = Queue::Process::server});
}

Duration World::until(const Node& n, Instant local) const {
  const Duration ahead = local - clock(n);
  if (ahead <= Duration{0}) return Duration{0};
  const std::int64_t rate = 1'000'000 + n.clock_ppm;
  const std::int64_t whole = ahead.count() / rate, rest = ahead.count() % rate;
  return Duration(whole * 1'000'000 + rest * 1'000'000 / rate) + std::chrono::microseconds(2);
}

Duration World::jitter(Duration least, Duration most) {
  return least + Duration(static_cast<std::int64_t>(
                     random(static_cast<std::uint64_t>((most - least).count()) + 1)));
}

bool World::step_queue(Instant until) {
  if (spins_ || queue_.empty() || queue_.next() > until) return false;
  now_ = queue_.next();
  std::uint64_t order = 0;
  Queue::Item item = queue_.take(order);
  if (item.node != nullptr) {
    const bool of_agent =
        item.process == Queue::Process::loop || item.process == Queue::Process::lease_thread;
    if (of_agent && (!item.node->core || item.node->life != item.life)) return true;
    if (!of_agent && item.node->boot != item.life) return true;
    const Instant paused = item.node->paused_until[static_cast<std::size_t>(item.process)];
    if (paused > now_) {
      queue_.put_back(paused, order, std::move(item));
      return true;
    }
  }
  store.expire(now_);
  item.what();
  publish();
  guards();
  check();
  if (tracing_) trace_changes();
  return true;
}

void World::run_for(Duration span) {
  const Instant until = now_ + span;
  while (step_queue(until)) {
  }
  now_ = until;
}

bool World::run_until(const std::function<bool()>& holds, Duration limit) {
  const Instant until = now_ + limit;
  while (!holds()) {
    if (!step_queue(until)) return false;
  }
  return true;
}

bool World::run_until_healthy(Duration limit) {
  return run_until([this] { return healthy(); }, limit);
}

// ---------------------------------------------------------------------------------------- agents

void World::start_agent(Node& n) {
  ensure(n.up && !n.core, "an agent is started once on a running host");
  ++n.life;
  n.exited.reset();
  n.wake_queued = kNever;
  n.jobs.clear();
  n.lease = 0;
  n.renewing = {};
  ++n.renewal;
  n.core = std::make_unique<Core>(n.config, Identity{"0.1.0", "4.1.3"});
  at_agent(n, milliseconds(2), [this, &n] { probe_loop(n); });
  at_agent(n, milliseconds(3), [this, &n] { watch_loop(n); });
  // As the agent does: the store is read first, for the cluster's own ttl.
  at_agent(n, milliseconds(10), [this, &n] { run(n, HoldLease{n.core->state().timing.ttl}); });
}

void World::kill_agent(Node& n) {
  n.core.reset();
  ++n.life;
}

void World::stop_agent(Node& n) { post(n, StopRequested{}, Duration{0}); }

void World::kill_server(Node& n) {
  if (!n.pg.alive || (n.pg.hung && n.pg.unkillable)) return;
  n.pg.crash();
  server_ended(n, "signal 9");
}

void World::power_off(Node& n) {
  kill_agent(n);
  ++n.boot;
  n.kill_pending = false;
  n.pg.crash();
  n.pg.lose_unflushed(n.pg.flushed);
  n.pg.frozen = false;
  n.paused_until = {};
  n.up = false;
  n.page = {};
}

void World::power_on(Node& n) {
  n.up = true;
  // A primary that forgets, and is back before its lock is gone, writes other rows at the same
  // places of the same timeline: not modelled, nobody above PostgreSQL could see it.
  if (n.pg.lied_since && leader() != n.name) n.pg.forget(*n.pg.lied_since);
  forgotten |= n.pg.forgot;
  n.pg.lied_since.reset();
  start_agent(n);
}

void World::expire_lease(Node& n) {
  n.lied_until = now_ + n.lease_ttl;
  store.revoke(n.lease);
}

void World::set_config(const std::string& key, model::Value value) {
  if (store.leaderless()) {  // the operator tries again
    return at(seconds(1), [this, key, value = std::move(value)] { set_config(key, value); });
  }
  // What the remote has of our rows, the operator looks after.
  if (key == "standby_cluster" && !value.is_null())
    for (Acknowledged& row : acknowledged) row.guarded = false;
  model::Value config = store.view().config;
  config.set(key, std::move(value));
  const bool followed = following();
  store.put("config", model::to_json(config));
  if (following() && !followed) follows_since_ = store.revision();
  if (followed && !following()) status_counts_since_ = store.revision();
}

void World::request_failover(const model::FailoverRequest& request) {
  store.put("failover", model::encode_failover(request));
}

void World::request(Node& n, Request what) { post(n, std::move(what), Duration{0}); }

void World::post(Node& n, Event event, Duration in) {
  at_agent(n, in, [this, &n, event = std::move(event)]() mutable { step(n, std::move(event)); });
}

void World::post_view(Node& n, model::SharedView view, Instant sent_at, Duration in) {
  post(n, DcsSnapshot{std::move(view), sent_at}, in);
}

void World::step(Node& n, Event event) {
  const Input input{clock(n), wall(), std::move(event)};
  const auto effects = n.core->step(input);
  note_step(n, input.event, effects.size());
  const int life = n.life;
  for (const Effect& effect : effects) {
    if (n.life != life || !n.core) return;
    std::visit([&](const auto& e) { run(n, e); }, effect);
  }
}

/// FNV-1a over what tells one run from another.
void World::note_step(const Node& n, const Event& event, std::size_t effects) {
  ++steps;
  last_event_ = {now_, &n, event.index(), effects};
  const std::uint64_t words[] = {static_cast<std::uint64_t>(now_.ns), event.index(), effects,
                                 static_cast<std::uint64_t>(n.name.back())};
  for (const std::uint64_t word : words) digest = (digest ^ word) * 1099511628211u;
}

std::string World::last_event() const {
  static constexpr const char* kNames[] = {
      "Tick",      "DcsSnapshot",      "DcsFailed",     "DcsWritten",    "LeaseGranted",
      "LeaseKept", "LeaseGone",        "LeaderRenewed", "LeaderLost",    "KeptConfig",
      "PgProbed",  "PgExited",         "JobProgress",   "JobDone",       "PeerAnswered",
      "Request",   "ConfigReloaded",   "StopRequested", "PeerConsented", "WatchdogAnswered",
      "DiskSeen",  "LastRecordWritten"};
  static_assert(std::size(kNames) == std::variant_size_v<Event>);
  if (last_event_.node == nullptr) return "none";
  return fmt::format("{:.6f} s {} {}, {} effects", to_seconds(last_event_.at - Instant{}),
                     last_event_.node->name, kNames[last_event_.event], last_event_.effects);
}

// ---------------------------------------------------------------------------------------- seeing

void World::publish() {
  if (store.revision() == published_) return;
  published_ = store.revision();
  if (revisions_.size() == kRevisionsKept) revisions_.pop_front();
  revisions_.push_back(std::make_shared<const model::ClusterView>(store.view()));
  for (Node* n : nodes()) {
    if (n->core && !n->watch_stalled && answer_arrives(*n))
      post_view(*n, read_by(*n), clock(*n), milliseconds(1) + trip(*n));
  }
}

/// What the store's member that it talks to has.
const model::SharedView& World::read_by(const Node& n) {
  publish();
  return revisions_[revisions_.size() - 1 - std::min(n.stale, revisions_.size() - 1)];
}

void World::watch_loop(Node& n) {
  if (n.watch_stalled) {
    // Nothing says that it ended.
  } else if (request_arrives(n) && answer_arrives(n)) {
    post_view(n, read_by(n), clock(n), trip(n));
  } else {
    post(n, DcsFailed{{Code::unavailable, "no endpoint reachable", ""}}, milliseconds(100));
  }
  at_agent(n, jitter(milliseconds(700), milliseconds(1000)), [this, &n] { watch_loop(n); });
}

model::PgFacts World::observe(const Node& n) const {
  const Postgres& pg = n.pg;
  model::PgFacts f;
  f.data_dir = pg.data;
  f.founding = pg.founding;
  f.process_alive = pg.alive;
  if (!pg.alive) {
    f.control = pg.control();
    if (f.control) f.system_identifier = f.control->system_identifier;
    f.copied = pg.backup_label;
    return f;
  }
  f.pid = pg.pid;
  f.system_identifier = pg.system_identifier;
  f.probe_timed_out = pg.hung;
  f.accepting = pg.accepting && !pg.hung;
  if (!f.accepting) return f;
  f.in_recovery = pg.in_recovery;
  f.takes_writes = pg.in_recovery || !pg.read_only;
  f.timeline = std::max(pg.wal.timeline(), pg.served);
  f.server_version = 150004;
  f.postmaster_start_time = pg.started;
  f.synchronous_standby_names = pg.sync_names;
  f.synchronous_commit = "on";
  f.slots = pg.slots;
  if (pg.in_recovery) {
    // Both are of what is flushed: nothing else is replayed, and "received" means synced
    // (PostgreSQL manual, 9.27.4).
    f.received_lsn = f.replayed_lsn = pg.flushed;
    f.replication_state = pg.streaming || pg.served != 0 ? "streaming" : "";
  } else {
    f.flush_lsn = pg.flushed;
  }
  const auto named = [&](const std::string& s) {
    return pg.sync_names.find('*') != std::string::npos ||
           pg.sync_names.find(s) != std::string::npos;
  };
  const char* const waited_for = pg.sync_names.starts_with("ANY") ? "quorum" : "sync";
  for (const auto& [name, other] : nodes_) {
    if (other->pg.streams_from != n.name || !other->pg.streaming) continue;
    model::WalSender sender;
    sender.application_name = name;
    sender.state = "streaming";
    sender.sync_state = named(name) ? waited_for : "async";
    sender.sent_lsn = sender.write_lsn = sender.flush_lsn = sender.replay_lsn =
        other->pg.told_flushed;
    f.senders.push_back(sender);
  }
  return f;
}

void World::probe(Node& n) {
  PgProbed probed{observe(n)};
  if (probed.facts.accepting && probed.facts.takes_writes) n.proof_at = clock(n);
  step(n, std::move(probed));
  if (n.core && !(n.core->state().disk == n.disk)) step(n, DiskSeen{n.disk});
}

void World::probe_loop(Node& n) {
  // More often while something goes on, as the agent does.
  const State& s = n.core->state();
  const bool quiet = !s.job && s.view && s.view->leader;
  const Duration pause =
      quiet ? jitter(milliseconds(500), milliseconds(1000)) : Duration(milliseconds(100));
  at_agent(n, pause, [this, &n] { probe_loop(n); });
  probe(n);
}

void World::server_ended(Node& n, const std::string& how) {
  if (!n.core) return;
  post(n, PgExited{n.pg.pid, how}, milliseconds(1));
  // On a busy machine the end is heard of long before anybody has looked at what is left.
  at_agent(n, milliseconds(100), [this, &n] { probe(n); });
}

// ---------------------------------------------------------------------------------------- who

Node& World::node(const std::string& name) {
  return name.empty() && remote_ ? *remote_ : *nodes_.at(name);
}

Node* World::writer() {
  for (auto& [name, n] : nodes_) {
    if (n->pg.writable()) return n.get();
  }
  return nullptr;
}

std::vector<Node*> World::replicas() {
  std::vector<Node*> all;
  for (auto& [name, n] : nodes_) {
    if (n->pg.alive && n->pg.in_recovery && n->pg.streaming) all.push_back(n.get());
  }
  return all;
}

std::string World::leader() const { return store.view().leader_name(); }

bool World::passes(const Node& from, const Node& to) const {
  return from.up && to.up && from.reaches_peers && to.reaches_peers &&
         (from.mute_to >> to.index & 1) == 0;
}

void World::cut_between(Node& a, Node& b, bool cut) {
  const auto set = [cut](Node& from, const Node& to) {
    from.mute_to = cut ? from.mute_to | 1u << to.index : from.mute_to & ~(1u << to.index);
  };
  set(a, b);
  set(b, a);
}

Duration World::ttl() const {
  const model::Value* value = store.view().config.find("ttl");
  return seconds(value != nullptr && value->is_int() ? value->as_int() : 30);
}

bool World::may_lead(const Node& n, std::uint32_t off) const {
  const model::SyncKey& sync = store.view().sync;
  const auto& left = store.view().maintenance;
  if (left && left->name != n.name) return false;
  const auto& map = store.view().failsafe;
  if (map && !map->members.empty() && !map->members.contains(n.name)) return false;
  const auto& known = store.view().initialize;
  if (known && *known != n.pg.system_identifier) return false;
  model::Member self;
  self.tags = model::effective_tags(n.config.tags);
  const auto& optime = store.view().status.optime;
  const model::DynamicConfig config = model::read_dynamic_config(store.view().config);
  const auto lag = static_cast<std::uint64_t>(config.maximum_lag_on_failover);
  if (optime && n.pg.wal.end.value + lag < optime->value) return false;
  return n.member && n.pg.data == model::DataDir::ready && !model::tag_nofailover(self) &&
         (!sync_mode_on() || sync.leader.empty() || has_votes(n, off));
}

/// As the race counts them, of the nodes that are not off.
bool World::has_votes(const Node& n, std::uint32_t off) const {
  const model::SyncKey& sync = store.view().sync;
  if (model::SyncKey{.leader = sync.leader}.matches(n.name)) return true;
  const bool quorum = store.view().config.find("synchronous_mode")->is_string();
  if (!quorum && !sync.has(n.name)) return false;
  int votes = 0;
  for (const Node* other : order_) {
    const bool ahead = std::pair(other->pg.wal.timeline(), other->pg.wal.end) >
                       std::pair(n.pg.wal.timeline(), n.pg.wal.end);
    const bool there = (off >> other->index & 1) == 0 && other->pg.data == model::DataDir::ready;
    if (!there || ahead || !sync.matches(other->name)) continue;
    if (!sync.has(other->name)) return true;
    ++votes;
  }
  return votes > sync.quorum;
}

bool World::healthy() {
  if (!led()) return false;
  const Node* first = nodes_.at(leader()).get();
  if (!first->core) return false;
  for (const auto& [name, n] : nodes_) {
    if (!n->up || !n->core || n.get() == first) continue;
    if (!n->pg.streaming || n->pg.streams_from != first->name) return false;
  }
  return true;
}

std::string World::describe() {
  std::string out =
      fmt::format("at {} s, leader '{}', initialize '{}'\n", to_seconds(now_ - Instant{}), leader(),
                  store.view().initialize.value_or("absent"));
  for (const auto& [name, n] : nodes_) {
    const Postgres& pg = n->pg;
    out += fmt::format("  {}: {}{} server {} timeline {} end {} control '{}' page {} {}\n", name,
                       n->up ? "up" : "down", n->core ? "" : ", no agent",
                       !pg.alive       ? "down"
                       : pg.writable() ? "primary"
                       : pg.streaming  ? "streaming"
                                       : "standby",
                       pg.wal.timeline(), model::to_string(pg.wal.end), pg.control_state,
                       static_cast<int>(n->page.state),
                       n->core && n->core->state().job ? name_of(n->core->state().job->job) : "");
    for (const Stretch& s : pg.wal.path)
      out += fmt::format("      branch {} timeline {} from {}\n", s.branch, s.timeline,
                         model::to_string(s.begin));
    if (n->exited) out += fmt::format("      exited {}: {}\n", n->exited->first, n->exited->second);
    for (std::size_t i = n->notes.size() < 25 ? 0 : n->notes.size() - 25; i < n->notes.size(); ++i)
      out += fmt::format("      {:.3f} [{}] {}\n", to_seconds(n->noted[i] - Instant{}),
                         n->notes[i].event, n->notes[i].text);
  }
  return out;
}

}  // namespace aurum::sim
