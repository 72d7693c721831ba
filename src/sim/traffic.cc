// Clients that write all the time, and streaming replication.

#include <algorithm>
#include <functional>
#include <utility>

#include "sim/world.h"

namespace aurum::sim {

void World::traffic() {
  at(milliseconds(50), [this] { traffic(); });
  for (Node* n : nodes()) replicate(*n);
  acknowledge();
  for (Node* n : nodes()) write(*n);
  serve_remote();
  for (Node* n : nodes()) {
    if (n->pg.writable()) archive(*n, n->pg.flushed);
  }
}

Node* World::upstream(const Node& n) {
  if (!n.pg.target.upstream) return nullptr;
  if (n.pg.target.upstream->name.empty()) return remote_.get();
  const auto it = nodes_.find(n.pg.target.upstream->name);
  return it == nodes_.end() ? nullptr : it->second.get();
}

/// A walsender sends what is flushed; a standby flushes now or at a later look, and says so.
void World::replicate(Node& n) {
  Postgres& pg = n.pg;
  const bool streamed = pg.streaming;
  pg.streaming = false;
  Node* from = nullptr;
  if (pg.alive && pg.accepting && !pg.hung && !pg.frozen && pg.in_recovery) from = upstream(n);
  const bool served = from != nullptr && from->pg.alive && !from->pg.hung && !from->pg.frozen &&
                      (from->pg.accepting || from->pg.shutting_down);
  // What is under way goes on over a link that is cut in one direction; a new connection does not.
  const bool same = served && streamed && pg.streams_from == from->name;
  const bool reached =
      served && (same ? passes(*from, n)
                      : from->pg.accepting && connects(n, *from) && !from->pg.postmaster_paused);
  if (!reached || !pg.wal.is_prefix_of(from->pg.wal)) {
    if (pg.alive && !pg.frozen && !pg.hung) pg.flush();  // a WAL receiver that ends does
    pg.streams_from.clear();
    return restore_wal(n);
  }
  pg.streaming = true;
  if (!same) pg.streams_from = from->name;
  if (pg.disk_full && pg.wal.end < from->pg.flushed) return kill_server(n);
  const auto luck = random(16);
  const bool receives = luck != 0 && from->pg.flushed >= pg.wal.end;  // else it lags
  if (receives) pg.copy_wal(from->pg);
  if (luck > 3) receives ? pg.flush_copied(from->pg) : pg.flush();
  if (passes(n, *from)) pg.told_flushed = pg.flushed;
}

void World::write(Node& n) {
  Postgres& pg = n.pg;
  if (!n.up || !pg.writable()) return;
  pg.flushed = pg.wal.end;  // the WAL writer does, when nobody else does
  if (pg.backends_paused || pg.read_only) return;
  if (pg.disk_full) return kill_server(n);  // a WAL record that can not be written is a panic
  pg.wal.end.value += 0x100;
  pending_.push_back({&n, pg.wal.path.back().branch, pg.wal.end});
}

/// How far those that the primary waits for have what it writes.
model::Lsn World::confirmed(const Node& primary) const {
  const std::string& names = primary.pg.sync_names;
  const int branch = primary.pg.wal.path.back().branch;
  if (names.empty()) return {UINT64_MAX};
  const auto by = [&](const Node& n) {
    const bool streams = n.pg.streaming && n.pg.streams_from == primary.name;
    return streams ? std::min(n.pg.told_flushed, n.pg.wal.end_on(branch)) : model::Lsn{};
  };
  const SyncWait wait = wait_of(primary);
  std::vector<model::Lsn> told;
  for (const std::string& name : wait.names) told.push_back(by(*nodes_.at(name)));
  std::sort(told.begin(), told.end(), std::greater<>());
  return told[static_cast<std::size_t>(wait.needed - 1)];
}

SyncWait World::wait_of(const Node& primary) const {
  std::vector<std::string> everybody;
  for (const Node* n : order_) everybody.push_back(n->name);
  return read_sync_wait(primary.pg.sync_names, everybody);
}

void World::acknowledge() {
  if (pending_.empty()) return;
  const model::SyncKey& sync = store.view().sync;
  const bool promised = sync_mode_on();
  const Node* waited_for = nullptr;
  model::Lsn until;
  std::erase_if(pending_, [&](const Commit& commit) {
    const Node& n = *commit.node;
    const Postgres& pg = n.pg;
    // A frozen or hung server answers later, if it lives.
    const bool gone =
        !pg.alive || !pg.accepting || pg.in_recovery || pg.wal.path.back().branch != commit.branch;
    if (gone) return true;  // its client got an error: outcome unknown
    if (!pg.writable() || pg.backends_paused || commit.lsn > pg.flushed) return false;
    if (std::exchange(waited_for, &n) != &n) until = confirmed(n);
    if (!may_acknowledge(n) || commit.lsn > until) return false;
    acknowledged.push_back({n.name, commit.branch, commit.lsn, promised && sync.leader == n.name});
    check_acknowledged(n);
    return true;
  });
}

}  // namespace aurum::sim
