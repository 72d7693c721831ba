// What operators do to a cluster in random runs.

#include <algorithm>

#include "sim/world.h"

namespace aurum::sim {

using model::SyncMode;

namespace {

/// Between two restarts of a rolling one.
constexpr Duration kRollingStep = seconds(3);

}  // namespace

bool World::begin_operator(const Fault& fault, Node& n) {
  if (store.leaderless() || store_cut_) return false;  // an error message, and that is it
  switch (fault.kind) {
    case FaultKind::switchover:
      if (leader().empty()) return false;
      if (fault.detail % 2 == 0)
        request_failover({.leader = leader()});
      else
        request_failover({.leader = leader(), .candidate = n.name});
      return true;
    case FaultKind::failover:
      // To a member that holds every acknowledged row; to another one an operator may well lose
      // some, knowingly.
      if (sync_mode_on() && !store.view().sync.matches(n.name)) return false;
      // Nor beside a server that a pause left writable: it is off, the operator has seen to that.
      if (const auto& left = store.view().maintenance;
          left && left->name != n.name && node(left->name).pg.alive)
        return false;
      // Nor to a member outside the failsafe map, which an absent leader need not ask: likewise.
      if (const auto& map = store.view().failsafe;
          map && !map->members.empty() && !map->members.contains(n.name) &&
          std::ranges::any_of(order_, [&](Node* o) { return o != &n && o->pg.alive; }))
        return false;
      request_failover({.candidate = n.name});
      return true;
    case FaultKind::restart:
      if (!n.core) return false;
      request(n, Request{0, RestartRequest{}});
      return true;
    case FaultKind::rolling_restart:
      for (Node* each : order_) {
        at(kRollingStep * each->index, [this, each] {
          if (each->core) request(*each, Request{0, RestartRequest{}});
        });
      }
      return true;
    case FaultKind::reinit:
      if (!n.core || leader() == n.name || !(following() ? led() : writer() != nullptr))
        return false;
      request(n, Request{0, ReinitRequest{.force = fault.detail % 2 == 0}});
      return true;
    case FaultKind::cancel_commits:
      // Committed and visible, and nobody was told so.
      std::erase_if(pending_,
                    [&](const Commit& c) { return c.node == &n && c.lsn <= n.pg.flushed; });
      return true;
    case FaultKind::pause:
      if (store.view().config.is_null()) return false;
      set_config("pause", true);
      undo_later(fault, [this] { set_config("pause", false); });
      return true;
    case FaultKind::change_timing: {
      if (store.view().config.is_null()) return false;
      constexpr int kTtl[] = {5, 10, 20, 30};
      const int ttl = kTtl[fault.detail % 4];
      set_config("loop_wait", ttl / 4);
      set_config("retry_timeout", ttl / 4);
      set_config("ttl", ttl);
      return true;
    }
    case FaultKind::change_sync_mode:
      // Only what was founded with a quorum comes back to one.
      return change_sync_mode(fault.detail % 3 == 0                       ? SyncMode::off
                              : with_quorum_ && fault.detail / 6 % 3 != 0 ? SyncMode::quorum
                                                                          : SyncMode::on,
                              fault.detail % 2 == 0);
    default:
      return remove_member(fault, n);
  }
}

bool World::change_sync_mode(SyncMode mode, bool strict) {
  if (store.view().config.is_null()) return false;
  const bool on = mode != SyncMode::off;
  set_config("synchronous_mode", mode == SyncMode::quorum ? model::Value("quorum") : on);
  set_config("synchronous_mode_strict", strict);
  if (on) return true;
  // From now on a failover may lose what was acknowledged, as in any asynchronous cluster.
  for (Acknowledged& row : acknowledged) row.guarded = false;
  return true;
}

bool World::sync_mode_on() const {
  if (following()) return false;
  const model::Value* mode = store.view().config.find("synchronous_mode");
  return mode != nullptr && (mode->is_string() || (mode->is_bool() && mode->as_bool()));
}

/// Its agent is stopped, its disk is emptied, and later it is added anew.
bool World::remove_member(const Fault& fault, Node& n) {
  // Only beside a leader that works: nobody throws the last copy away.
  if (!led() || leader() == n.name || !n.up || store.view().restore) return false;
  power_off(n);
  n.member = false;
  store.put_off("members/" + n.name);
  n.pg = Postgres{};
  undo_later(fault, [this, &n] {
    n.member = true;
    if (!n.up) power_on(n);
  });
  return true;
}

bool World::paused() const {
  const model::Value* value = store.view().config.find("pause");
  return value != nullptr && value->is_bool() && value->as_bool();
}

void World::end_operations() {
  if (paused()) set_config("pause", false);
}

}  // namespace aurum::sim
