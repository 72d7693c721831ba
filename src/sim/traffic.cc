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

void World::replicate(Node& n) {
  Postgres& pg = n.pg;
  pg.streaming = false;
  pg.streams_from.clear();
  if (!pg.alive || !pg.accepting || pg.hung || !pg.in_recovery) return;
  const Node* from = upstream(n);
  if (from == nullptr || !linked(n, *from) || !from->pg.alive || from->pg.hung) return;
  if (!from->pg.accepting && !from->pg.shutting_down) return;
  if (!pg.wal.is_prefix_of(from->pg.wal)) return;
  pg.streaming = true;
  pg.streams_from = from->name;
  if (random(10) != 0) pg.wal = from->pg.wal;  // else it lags for a moment
}

void World::write(Node& n) {
  if (!n.up || !n.pg.writable()) return;
  n.pg.wal.end.value += 0x100;
  pending_.push_back({n.name, n.pg.wal.path.back().branch, n.pg.wal.end});
}

bool World::replicated(const Node& primary, const Pending& write) {
  const std::string& names = primary.pg.sync_names;
  if (names.empty()) return true;
  const auto has = [&](const Node& n) {
    return n.pg.streaming && n.pg.streams_from == primary.name &&
           n.pg.wal.contains(write.branch, write.lsn);
  };
  if (names == "*")
    return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& n) { return has(*n.second); });
  const auto wanted = parse_sync_names(names);
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](const std::string& name) { return has(*nodes_.at(name)); });
}

void World::acknowledge() {
  const model::SyncKey& sync = store.view().sync;
  std::erase_if(pending_, [&](const Pending& write) {
    const Node& n = *nodes_.at(write.node);
    const bool gone = !n.pg.writable() || n.pg.wal.path.back().branch != write.branch;
    if (gone) return true;  // its client got an error: outcome unknown
    if (!replicated(n, write)) return false;
    const bool guarded = sync.leader == n.name;
    acknowledged.push_back({n.name, write.branch, write.lsn, guarded});
    check_timeline(n);
    return true;
  });
}

}  // namespace aurum::sim
