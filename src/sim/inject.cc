// Faults of random runs: how each begins, and how it is undone. Those of operators are in
// operators.cc.

#include <algorithm>

#include "sim/world.h"

namespace aurum::sim {

using Process = Queue::Process;

namespace {

/// A promotion, start or stop that takes longer is not slow but broken.
constexpr Duration kSlowest = seconds(15);
/// So many promotions failed that a node calls for an operator, and waits for minutes.
constexpr int kPromotionsToLookAt = 3;

}  // namespace

Node* World::target(const Fault& fault) {
  const auto index = static_cast<std::size_t>(std::max(fault.node, 0)) % order_.size();
  if (fault.node == kLeader) {
    const auto it = nodes_.find(leader());
    return it != nodes_.end() ? it->second.get() : order_[fault.detail % order_.size()];
  }
  if (fault.node == kReplica) {
    const auto some = replicas();
    return some.empty() ? order_[fault.detail % order_.size()] : some[fault.detail % some.size()];
  }
  return order_[index];
}

/// Some other node than `n`; itself when it is alone.
Node& World::other_than(const Node& n, std::uint64_t detail) {
  const std::size_t all = order_.size();
  const std::size_t step = all > 1 ? 1 + detail % (all - 1) : 0;
  return *order_[(static_cast<std::size_t>(n.index) + step) % all];
}

void World::undo_later(const Fault& fault, Action what) {
  at(fault.lasts, [this, what = std::move(what), heals = heals_]() mutable {
    if (heals_ == heals) what();
  });
}

void World::start_again_later(const Fault& fault, Node& n) {
  undo_later(fault, [this, &n] {
    if (n.up && n.member && !n.core) start_agent(n);
  });
}

void World::pause(Node& n, std::initializer_list<Process> processes, Duration span) {
  for (const Process p : processes) {
    Instant& until = n.paused_until[static_cast<std::size_t>(p)];
    until = std::max(until, now_ + span);
  }
  at(span, [] {});  // for the guard to look
}

/// Everything of the machine stands still, its clock (CLOCK_BOOTTIME) goes on.
void World::freeze(Node& n, Duration span) {
  pause(n, {Process::loop, Process::lease_thread, Process::server, Process::guard}, span);
  n.pg.frozen = true;
  at(span - Duration(1), [this, &n, heals = heals_] {
    if (heals_ != heals || !n.pg.frozen) return;
    thaw(n);
  });
}

void World::thaw(Node& n) {
  n.pg.frozen = false;
  n.thawed_at = now_;
  n.paused_until.fill(now_);
}

/// The store ended its lease early, and in a moment its agent knows. Blinded before, it would be
/// the store's lie that no lock survives (F4).
bool World::about_to_hear_of_its_lease(const Node& n) const {
  return now_ < n.lied_until && n.leads() && leader() != n.name;
}

void World::inject(const Fault& fault) {
  Node& n = *target(fault);
  const bool hearing = std::any_of(order_.begin(), order_.end(), [this](const Node* each) {
    return about_to_hear_of_its_lease(*each);
  });
  if (!n.member || hearing || !begin(fault, n)) return;
  ++faults_begun[static_cast<std::size_t>(fault.kind)];
  trace_as(TraceEntry::Kind::fault, n.name, fault.text());
}

bool World::begin(const Fault& fault, Node& n) {
  using K = FaultKind;
  if (fault.kind < K::cut_from_store) return begin_process(fault, n);
  if (fault.kind < K::cut_store) return begin_network(fault, n);
  if (fault.kind < K::failing_jobs) return begin_store(fault, n);
  if (fault.kind < K::switchover || fault.kind == K::fill_disk) return begin_disk(fault, n);
  if (fault.kind >= K::restore_cluster) return begin_restoring(fault);
  if (fault.kind >= K::demote_cluster) return begin_remote(fault, n);
  return begin_operator(fault, n);
}

bool World::begin_process(const Fault& fault, Node& n) {
  const bool server = n.up && n.pg.alive && !n.pg.frozen;
  switch (fault.kind) {
    case FaultKind::kill_server:
      if (server) kill_server(n);
      return server;
    case FaultKind::hang_server:
    case FaultKind::pause_postmaster:
    case FaultKind::pause_backends: {
      bool Postgres::* const flag = fault.kind == FaultKind::hang_server ? &Postgres::hung
                                    : fault.kind == FaultKind::pause_postmaster
                                        ? &Postgres::postmaster_paused
                                        : &Postgres::backends_paused;
      if (!server || n.pg.*flag) return false;
      n.pg.*flag = true;
      undo_later(fault, [&n, flag, pid = n.pg.pid] {
        if (n.pg.pid == pid) n.pg.*flag = false;
      });
      return true;
    }
    case FaultKind::kill_agent:
      if (!n.core) return false;
      kill_agent(n);
      start_again_later(fault, n);
      return true;
    case FaultKind::stop_agent:
      if (!n.core) return false;
      stop_agent(n);
      start_again_later(fault, n);
      return true;
    case FaultKind::pause_agent:
      pause(n, {Process::loop, Process::lease_thread}, fault.lasts);
      return true;
    case FaultKind::pause_lease_thread:
      pause(n, {Process::lease_thread}, fault.lasts);
      return true;
    case FaultKind::pause_guard:
      pause(n, {Process::guard}, fault.lasts);
      return true;
    case FaultKind::freeze:
      if (!n.up || n.pg.frozen) return false;
      freeze(n, fault.lasts);
      return true;
    case FaultKind::power_off:
      if (!n.up) return false;
      power_off(n);
      undo_later(fault, [this, &n] {
        if (!n.up && n.member) power_on(n);
      });
      return true;
    default:
      cycle_power(fault);
      return true;
  }
}

/// All at once; some come back together, the others later.
void World::cycle_power(const Fault& fault) {
  for (Node* n : order_) {
    if (!n->up) continue;
    power_off(*n);
    const bool first = (fault.detail >> n->index & 1) != 0;
    at(first ? milliseconds(500) : fault.lasts, [this, n, heals = heals_] {
      if (heals_ == heals && !n->up && n->member) power_on(*n);
    });
  }
}

bool World::begin_network(const Fault& fault, Node& n) {
  Node& other = other_than(n, fault.detail);
  const std::uint32_t to_other = 1u << other.index, to_n = 1u << n.index;
  switch (fault.kind) {
    case FaultKind::cut_from_store:
      n.reaches_store = false;
      undo_later(fault, [&n] { n.reaches_store = true; });
      return true;
    case FaultKind::one_way_from_store: {
      bool Node::* const flag = fault.detail % 2 != 0 ? &Node::mute_to_store : &Node::deaf_to_store;
      n.*flag = true;
      undo_later(fault, [&n, flag] { n.*flag = false; });
      return true;
    }
    case FaultKind::cut_from_peers:
      n.reaches_peers = false;
      undo_later(fault, [&n] { n.reaches_peers = true; });
      return true;
    case FaultKind::cut_between:
      if (&other == &n) return false;
      n.mute_to |= to_other;
      other.mute_to |= to_n;
      undo_later(fault, [&n, &other, to_other, to_n] {
        n.mute_to &= ~to_other;
        other.mute_to &= ~to_n;
      });
      return true;
    case FaultKind::one_way_between:
      if (&other == &n) return false;
      n.mute_to |= to_other;
      undo_later(fault, [&n, to_other] { n.mute_to &= ~to_other; });
      return true;
    case FaultKind::slow_node:
      n.delay = milliseconds(static_cast<std::int64_t>(10 + fault.detail % 1200));
      undo_later(fault, [&n] { n.delay = {}; });
      return true;
    case FaultKind::lossy_node:
      n.loss = static_cast<int>(50 + fault.detail % 600);
      undo_later(fault, [&n] { n.loss = 0; });
      return true;
    default:
      n.names = fault.detail % 2 != 0 ? Node::Names::fail : Node::Names::hang;
      undo_later(fault, [&n] { n.names = Node::Names::resolve; });
      return true;
  }
}

bool World::begin_store(const Fault& fault, Node& n) {
  switch (fault.kind) {
    case FaultKind::cut_store:
      cut_store(true);
      undo_later(fault, [this] { cut_store(false); });
      return true;
    case FaultKind::no_quorum:
      store.lose_leader();
      undo_later(fault, [this] { store.elect_leader(now_); });
      return true;
    case FaultKind::lose_replies:
      n.lose_replies = 2;
      return true;
    case FaultKind::delay_requests:
      n.delay_requests = 2;
      return true;
    case FaultKind::double_requests:
      n.double_requests = 2;
      return true;
    case FaultKind::expire_lease:
      // Only where the loss is seen at once: a lease that ends early under a dead or paused agent
      // is the store's lie (F4), which no lock can survive.
      if (!n.core || n.paused(Process::loop, now_) || n.pg.frozen || !n.reaches_store ||
          n.mute_to_store || n.deaf_to_store || n.watch_stalled || n.stale > 0 || n.delay.count() ||
          n.loss > 0 || store_cut_ || store.leaderless())
        return false;
      expire_lease(n);
      return true;
    case FaultKind::stale_reads:
      n.stale = 1 + fault.detail % 30;
      undo_later(fault, [&n] { n.stale = 0; });
      return true;
    case FaultKind::stall_watch:
      n.watch_stalled = true;
      undo_later(fault, [&n] { n.watch_stalled = false; });
      return true;
    case FaultKind::lying_keepalive:
      n.keepalive_lies = true;
      undo_later(fault, [&n] { n.keepalive_lies = false; });
      return true;
    default:
      n.logins = 2;  // the loop's and the lease thread's
      return true;
  }
}

bool World::begin_disk(const Fault& fault, Node& n) {
  const auto slow = [&](Duration Postgres::* what) {
    n.pg.*what = std::min<Duration>(fault.lasts, kSlowest);
    undo_later(fault, [&n, what] { n.pg.*what = {}; });
  };
  switch (fault.kind) {
    case FaultKind::failing_jobs:
      n.pg.failing_promotions = static_cast<int>(fault.detail % 3);
      n.pg.failing_rewinds = static_cast<int>(fault.detail / 3 % 3);
      n.pg.failing_clones = static_cast<int>(fault.detail / 9 % 3);
      n.pg.failing_starts = static_cast<int>(fault.detail / 27 % 3);
      return true;
    case FaultKind::disk_full:
      n.pg.disk_full = true;
      undo_later(fault, [&n] { n.pg.disk_full = false; });
      return true;
    case FaultKind::fill_disk:
      fill_disk(n, fault.detail % 3 == 0 ? 6 : 1);
      undo_later(fault, [this, &n] { fill_disk(n, 50); });
      return true;
    case FaultKind::slow_promotion:
      slow(&Postgres::slow_promotion);
      return true;
    case FaultKind::slow_start:
      slow(&Postgres::slow_start);
      return true;
    case FaultKind::late_promotion:
      n.pg.late_promotions = 1;
      return true;
    case FaultKind::slow_stop:
      slow(fault.detail % 2 == 0 ? &Postgres::slow_stop : &Postgres::slow_archiver);
      return true;
    default:
      return lying_disk(fault, n);
  }
}

/// So many of a hundred parts of it are left; what the ballast holds comes on top.
void World::fill_disk(Node& n, unsigned left) {
  n.disk.data.capacity = std::uint64_t{100} << 30;
  n.disk.data.available = n.disk.data.capacity / 100 * left;
}

/// Until the power fails, which tells.
bool World::lying_disk(const Fault& fault, Node& n) {
  if (!n.up || n.pg.data != model::DataDir::ready || n.pg.lied_since) return false;
  n.pg.lied_since = n.pg.flushed;
  undo_later(fault, [this, &n] {
    if (n.up) power_off(n);
    at(seconds(2), [this, &n, heals = heals_] {
      if (heals_ == heals && !n.up && n.member) power_on(n);
    });
  });
  return true;
}

void World::heal_node(Node& n) {
  n.reaches_store = n.reaches_peers = true;
  n.mute_to_store = n.deaf_to_store = n.watch_stalled = n.keepalive_lies = false;
  n.keepalives_lost = false;
  n.lose_replies = n.delay_requests = n.double_requests = n.loss = n.logins = 0;
  n.mute_to = 0;
  n.stale = 0;
  n.delay = {};
  n.names = Node::Names::resolve;
  Postgres& pg = n.pg;
  pg.failing_promotions = pg.failing_rewinds = pg.failing_clones = pg.failing_starts = 0;
  pg.hung = pg.postmaster_paused = pg.backends_paused = pg.disk_full = pg.read_only = false;
  pg.late_promotions = pg.failing_recoveries = 0;
  pg.slow_promotion = pg.slow_start = pg.slow_stop = pg.slow_archiver = {};
  if (n.disk.data.capacity != 0) fill_disk(n, 50);
  if (n.up) pg.lied_since.reset();
  if (pg.frozen) thaw(n);
  n.paused_until.fill(now_);
  at(Duration{0}, [] {});  // for the guard to look
  n.member = true;
}

void World::heal(std::uint32_t stay_off) {
  ++heals_;
  trace_as(TraceEntry::Kind::fault, "", "every fault is undone");
  cut_store(false);
  if (store.leaderless()) store.elect_leader(now_);
  end_operations();
  heal_remote();
  if (store.view().restore) finish_restore(0);
  for (Node* n : order_) {
    heal_node(*n);
    if ((stay_off >> n->index & 1) != 0) {
      if (n->up) power_off(*n);
      continue;
    }
    if (!n->up)
      power_on(*n);
    else if (!n->core)
      start_agent(*n);
    else if (n->core->state().promote_backoff.failures >= kPromotionsToLookAt) {
      kill_agent(*n);  // it waits for an operator to look; he does
      start_agent(*n);
    }
  }
  // What waited for a paused process is done now.
  queue_.hurry(now_, [](const Queue::Item& item) { return item.held_by_pause; });
}

}  // namespace aurum::sim
