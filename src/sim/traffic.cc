// Clients that write all the time, and streaming replication.

#include <algorithm>

#include "core/sync_standbys.h"
#include "sim/world.h"

namespace aurum::sim {

void World::traffic() {
  at(milliseconds(50), [this] { traffic(); });
  for (Node* n : nodes()) replicate(*n);
  acknowledge();
  for (Node* n : nodes()) write(*n);
}

Node* World::upstream(const Node& n) {
  if (!n.pg.target.upstream) return nullptr;
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
      served && (same ? passes(*from, n) : linked(n, *from) && !from->pg.postmaster_paused);
  if (!reached || !pg.wal.is_prefix_of(from->pg.wal)) return pg.streams_from.clear();
  pg.streaming = true;
  if (!same) pg.streams_from = from->name;
  if (pg.disk_full && pg.wal.end < from->pg.flushed) return kill_server(n);
  const auto luck = random(16);
  if (luck != 0 && from->pg.flushed >= pg.wal.end) pg.copy_wal(from->pg);  // else it lags
  if (luck > 3) pg.flushed = pg.wal.end;
  if (passes(n, *from)) pg.told_flushed = pg.flushed;
}

void World::write(Node& n) {
  Postgres& pg = n.pg;
  if (!n.up || !pg.writable() || pg.backends_paused) return;
  pg.flushed = pg.wal.end;
  if (pg.disk_full) return kill_server(n);  // a WAL record that can not be written is a panic
  pg.wal.end.value += 0x100;
  pending_.push_back({&n, pg.wal.path.back().branch, pg.wal.end});
}

bool World::replicated(const Node& primary, const Commit& commit) {
  const std::string& names = primary.pg.sync_names;
  if (names.empty()) return true;
  const auto has = [&](const Node& n) {
    return n.pg.streaming && n.pg.streams_from == primary.name && n.pg.told_flushed >= commit.lsn &&
           n.pg.wal.contains(commit.branch, commit.lsn);
  };
  if (names == "*")
    return std::any_of(order_.begin(), order_.end(), [&](const Node* n) { return has(*n); });
  const auto wanted = parse_sync_names(names);
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](const std::string& name) { return has(*nodes_.at(name)); });
}

void World::acknowledge() {
  if (pending_.empty()) return;
  const model::SyncKey& sync = store.view().sync;
  const bool promised = sync_mode_on();
  std::erase_if(pending_, [&](const Commit& commit) {
    const Node& n = *commit.node;
    const Postgres& pg = n.pg;
    // A frozen or hung server answers later, if it lives.
    const bool gone =
        !pg.alive || !pg.accepting || pg.in_recovery || pg.wal.path.back().branch != commit.branch;
    if (gone) return true;  // its client got an error: outcome unknown
    if (!pg.writable() || pg.backends_paused || commit.lsn > pg.flushed) return false;
    if (!may_acknowledge(n) || !replicated(n, commit)) return false;
    acknowledged.push_back({n.name, commit.branch, commit.lsn, promised && sync.leader == n.name});
    check_acknowledged(n);
    return true;
  });
}

}  // namespace aurum::sim
