// The other one of two clusters, as far as this one sees it: a server without an agent. A standby
// cluster follows it; else it follows this cluster, until its operators promote it.

#include <algorithm>

#include "sim/profile.h"
#include "sim/world.h"

namespace aurum::sim {

namespace {

/// So long the operators of two clusters wait for the last of the WAL to come over.
constexpr Duration kLastWal = seconds(15);
/// Two clusters that give the same number to different timelines can not be told apart, so the
/// remote takes one that nobody here comes to.
constexpr model::Timeline kTimelinesApart = 1000;
/// Once in so many looks, every 50 ms, a remote that can not stream any more is made anew.
constexpr std::uint64_t kRemadeOnceIn = 40;

}  // namespace

Node& World::add_remote() {
  remote_ = std::make_unique<Node>();
  remote_->name = "remote";
  remote_->index = 31;
  Postgres& pg = remote_->pg;
  pg.data = model::DataDir::ready;
  pg.roles = true;
  pg.system_identifier = "6999999999";
  pg.wal = {{{next_branch_++, 1, model::Lsn{0}}}, model::Lsn{0x1000000}};
  model::PgTarget target;
  target.primary = true;
  pg.start(target, next_pid_++, "0");
  return *remote_;
}

void World::let_remote_follow() {
  remote_->pg.in_recovery = remote_follows_ = true;
  remote_->pg.streams_from.clear();
}

void World::fail_over_remote(std::uint64_t lost_bytes) {
  Postgres& pg = remote_->pg;
  pg.wal.end.value -= std::min(lost_bytes, pg.wal.end.value - pg.wal.path.back().begin.value);
  model::Timeline last = std::max(pg.wal.timeline(), store.view().timeline_given);
  for (const Node* n : order_) last = std::max(last, n->pg.wal.timeline());
  pg.promote(next_branch_++, last + kTimelinesApart);
  remote_follows_ = false;
}

bool World::following() const {
  const model::Value* remote = store.view().config.find("standby_cluster");
  return remote != nullptr && !remote->is_null();
}

/// Its clients are nobody's business here.
void World::serve_remote() {
  if (!remote_ || !remote_->up) return;
  if (remote_follows_) return remote_receives();
  Postgres& pg = remote_->pg;
  if (!pg.writable()) return;
  pg.flushed = pg.wal.end;
  pg.wal.end.value += 0x100;
}

void World::remote_receives() {
  Postgres& pg = remote_->pg;
  pg.streams_from.clear();
  Node* from = writer();
  if (from == nullptr || leader() != from->name || !linked(*remote_, *from)) return;
  if (from->pg.system_identifier != store.view().initialize) return;
  if (pg.wal.is_prefix_of(from->pg.wal)) {
    pg.streams_from = from->name;
  } else {
    if (random(kRemadeOnceIn) != 0) return;
    pg.system_identifier = from->pg.system_identifier;
  }
  pg.copy_wal(from->pg);
  pg.flush_copied(from->pg);
}

/// The primary of this cluster has written its last record, and sends it before it ends.
void World::remote_receives_the_last(const Node& from) {
  if (!remote_ || !remote_follows_ || remote_->pg.streams_from != from.name) return;
  if (!remote_->up || !linked(*remote_, from) || !remote_->pg.wal.is_prefix_of(from.pg.wal)) return;
  remote_->pg.copy_wal(from.pg);
  remote_->pg.flush_copied(from.pg);
}

// ------------------------------------------------------------------------------------ operators

bool World::begin_remote(const Fault& fault, Node& n) {
  if (!remote_) return false;
  switch (fault.kind) {
    case FaultKind::demote_cluster:
      return demote_cluster(fault);
    case FaultKind::promote_cluster:
      return promote_cluster(fault);
    case FaultKind::remote_fails_over:
      if (!remote_->up || remote_follows_) return false;
      fail_over_remote(fault.detail % 2 == 0 ? 0 : fault.detail / 2 % 0x4000);
      return true;
    case FaultKind::remote_down:
      remote_->up = false;
      undo_later(fault, [this] { remote_->up = true; });
      return true;
    default: {
      const std::uint32_t to_n = 1u << n.index;
      cut_between(n, *remote_);
      undo_later(fault, [this, &n, to_n] {
        n.mute_to &= ~(1u << remote_->index);
        remote_->mute_to &= ~to_n;
      });
      return true;
    }
  }
}

/// In order: its primary stops, the remote receives the last of its WAL, and is promoted then. Or
/// the remote was promoted already, this cluster having been given up.
bool World::demote_cluster(const Fault& fault) {
  if (store.leaderless() || store_cut_ || store.view().config.is_null() || following())
    return false;
  if (remote_->pg.system_identifier != store.view().initialize || !remote_->up) return false;
  if (fault.detail % 4 == 0) fail_over_remote(fault.detail / 4 % 0x4000);
  set_config("standby_cluster", where_the_remote_is());
  promote_remote_soon(now_ + kLastWal);
  return true;
}

void World::promote_remote_soon(Instant at_last) {
  at(seconds(1), [this, at_last] {
    if (!following() || !remote_follows_) return;
    const auto writes = [](const Node* n) { return n->pg.alive && !n->pg.in_recovery; };
    const auto led = nodes_.find(leader());
    const bool received = led != nodes_.end() && led->second->pg.wal.is_prefix_of(remote_->pg.wal);
    const bool promotes =
        remote_->up && std::ranges::none_of(order_, writes) && (received || now_ >= at_last);
    if (promotes) return fail_over_remote(0);
    promote_remote_soon(at_last);
  });
}

/// The remote has been stopped, or is lost for a while; it follows when it is back.
bool World::promote_cluster(const Fault& fault) {
  if (store.leaderless() || store_cut_ || !following()) return false;
  // Its leader has data, and is not about to throw it away.
  const auto first = nodes_.find(leader());
  if (first == nodes_.end() || !first->second->pg.alive || !first->second->pg.in_recovery)
    return false;
  if (fault.detail % 3 == 0) {
    remote_->up = false;
    undo_later(fault, [this] { remote_->up = true; });
  }
  let_remote_follow();
  set_config("standby_cluster", {});
  return true;
}

void World::heal_remote() {
  if (!remote_) return;
  remote_->up = true;
  remote_->mute_to = 0;
  if (following() && remote_follows_) promote_remote_soon(now_);
}

// ---------------------------------------------------------------------------------------- whole

/// The standby leader streams from the remote, and nobody takes writes.
bool World::led_as_standby() {
  const auto found = nodes_.find(leader());
  if (found == nodes_.end() || writer() != nullptr) return false;
  const Node& n = *found->second;
  return n.core && n.pg.streaming && n.pg.streams_from == remote_->name &&
         n.core->state().role == model::Role::standby_leader;
}

bool World::led() {
  if (following()) return led_as_standby();
  const Node* one = writer();
  return one != nullptr && leader() == one->name;
}

}  // namespace aurum::sim
