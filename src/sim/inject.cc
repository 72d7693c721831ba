// Faults of random runs: how each begins, and how it is undone.

#include "sim/world.h"

namespace aurum::sim {

Node* World::target(const Fault& fault) {
  const auto all = nodes();
  const auto index = static_cast<std::size_t>(std::max(fault.node, 0)) % all.size();
  if (fault.node == kLeader) {
    const auto it = nodes_.find(leader());
    return it != nodes_.end() ? it->second.get() : all[fault.detail % all.size()];
  }
  if (fault.node == kReplica) {
    const auto some = replicas();
    return some.empty() ? all[fault.detail % all.size()] : some[fault.detail % some.size()];
  }
  return all[index];
}

void World::inject(const Fault& fault) {
  Node& n = *target(fault);
  const auto undo = [&](auto what) {
    at(fault.lasts, [this, what, heals = heals_] {
      if (heals_ == heals) what();
    });
  };
  const auto restart_later = [&] {
    undo([this, &n] {
      if (n.up && !n.core) start_agent(n);
    });
  };
  switch (fault.kind) {
    case FaultKind::kill_server:
      if (!n.pg.alive) return;
      kill_server(n);
      break;
    case FaultKind::hang_server:
      if (!n.pg.alive || n.pg.hung) return;
      n.pg.hung = true;
      undo([&n, pid = n.pg.pid] {
        if (n.pg.pid == pid) n.pg.hung = false;
      });
      break;
    case FaultKind::kill_agent:
      if (!n.core) return;
      kill_agent(n);
      restart_later();
      break;
    case FaultKind::stop_agent:
      if (!n.core) return;
      stop_agent(n);
      restart_later();
      break;
    case FaultKind::power_off:
      if (!n.up) return;
      power_off(n);
      undo([this, &n] {
        if (!n.up) power_on(n);
      });
      break;
    case FaultKind::cut_from_store:
      n.reaches_store = false;
      undo([&n] { n.reaches_store = true; });
      break;
    case FaultKind::cut_from_peers:
      n.reaches_peers = false;
      undo([&n] { n.reaches_peers = true; });
      break;
    case FaultKind::cut_store:
      cut_store(true);
      undo([this] { cut_store(false); });
      break;
    case FaultKind::lose_replies:
      n.lose_replies = 2;
      break;
    case FaultKind::delay_requests:
      n.delay_requests = 2;
      break;
    case FaultKind::expire_lease:
      // Only where the loss can be seen: a lease that ends early under a dead agent is the store's
      // lie (F4), which no lock can survive.
      if (!n.core || !n.reaches_store || !n.reaches_peers) return;
      expire_lease(n);
      break;
    case FaultKind::failing_jobs:
      n.pg.failing_promotions = 1;
      n.pg.failing_rewinds = static_cast<int>(fault.detail % 3);
      n.pg.failing_clones = static_cast<int>(fault.detail / 3 % 2);
      break;
    case FaultKind::switchover:
      if (leader().empty()) return;
      request_failover({.leader = leader()});
      break;
    case FaultKind::restart:
      if (!n.core) return;
      request(n, Request{0, RestartRequest{}});
      break;
    case FaultKind::slow_store:
      store_slow_ = milliseconds(50 + static_cast<std::int64_t>(fault.detail % 600));
      undo([this] { store_slow_ = {}; });
      break;
    case FaultKind::late_promotion:
      n.pg.late_promotions = 1;
      break;
    case FaultKind::pause:
      if (store.view().config.is_null()) return;
      set_config("pause", true);
      undo([this] { resume(); });
      break;
  }
  ++faults_begun[std::string(name_of(fault.kind))];
  trace_as(TraceEntry::Kind::fault, n.name, fault.text());
}

/// As a careful operator does: not before a server that the pause lets write can be told. Nothing
/// else would fence it (docs/FAILURES.md, "Found by the simulator").
void World::resume() {
  for (const Node* n : nodes()) {
    const bool told = n->core && store_reached(*n);
    if (n->page.state == PageState::maintenance && n->up && !told)
      return at(seconds(1), [this] { resume(); });
  }
  set_config("pause", false);
}

void World::heal() {
  ++heals_;
  trace_as(TraceEntry::Kind::fault, "", "every fault is undone");
  cut_store(false);
  store_slow_ = {};
  if (!store.view().config.is_null()) set_config("pause", false);
  for (Node* n : nodes()) {
    n->reaches_store = n->reaches_peers = true;
    n->lose_replies = n->delay_requests = 0;
    n->pg.failing_promotions = n->pg.late_promotions = 0;
    n->pg.failing_rewinds = n->pg.failing_clones = 0;
    n->pg.hung = false;
    if (!n->up)
      power_on(*n);
    else if (!n->core)
      start_agent(*n);
  }
}

}  // namespace aurum::sim
