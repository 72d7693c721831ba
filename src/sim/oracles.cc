// What must be true after every event, and the guards that help it to be.

#include <algorithm>

#include <fmt/format.h>

#include "core/sync_standbys.h"
#include "sim/world.h"

namespace aurum::sim {

namespace {

/// How long a guard may take from the deadline to the last process's death.
constexpr Duration kGuardReaction = milliseconds(5);

}  // namespace

void World::violation(Rule rule, std::string what) {
  if (violations.size() < 10) trace_as(TraceEntry::Kind::violation, "", what);
  if (violations.size() < 10) violations.push_back({rule, now_ - Instant{}, std::move(what)});
}

void World::guards() {
  for (Node* n : nodes()) {
    const bool late = n->page.state == PageState::leased && clock(*n) >= n->page.deadline;
    if (!n->up || !n->pg.alive || !late || n->kill_pending) continue;
    n->kill_pending = true;
    at(kGuardReaction - milliseconds(1), [this, n] {
      n->kill_pending = false;
      const bool still = n->page.state == PageState::leased && clock(*n) >= n->page.deadline;
      if (!n->up || !still || !n->pg.alive) return;
      ++n->guard_kills;
      kill_server(*n);
    });
  }
}

void World::check() {
  check_writers();
  const Node* n = writer();
  if (n == nullptr) return;
  check_sync(*n);
  const int branch = n->pg.wal.path.back().branch;
  if (n->name != last_writer_ || branch != last_branch_) check_rows(*n);
  if (!last_writer_.empty() && n->name != last_writer_) ++failovers;
  last_writer_ = n->name;
  last_branch_ = branch;
}

void World::check_writers() {
  std::string writers;
  int count = 0;
  for (const auto& [name, n] : nodes_) {
    if (!n->pg.writable()) continue;
    writers += " " + name;
    ++count;
    const bool leased = n->page.state == PageState::leased &&
                        clock(*n) <= std::max(n->page.deadline, Instant{}) + kGuardReaction;
    const bool excused = n->page.state == PageState::maintenance || n->kill_pending;
    if (!leased && !excused)
      violation(Rule::lease_page,
                fmt::format("{} is writable, and its lease page does not allow it", name));
  }
  if (count > 1) violation(Rule::one_writer, "two servers are writable at once:" + writers);
}

void World::check_sync(const Node& n) {
  const model::SyncKey& key = store.view().sync;
  if (key.leader != n.name) return;
  const auto names = parse_sync_names(n.pg.sync_names);
  for (const std::string& member : key.members) {
    if (std::find(names.begin(), names.end(), member) == names.end())
      violation(Rule::sync_key, fmt::format("the sync key promises {}, and {} waits for '{}'",
                                            member, n.name, n.pg.sync_names));
  }
}

void World::check_rows(const Node& new_writer) {
  std::erase_if(acknowledged, [&](const Acknowledged& row) {
    if (new_writer.pg.wal.contains(row.branch, row.lsn)) return false;
    ++(row.guarded ? lost_guarded : lost_unguarded);
    if (row.guarded)
      violation(Rule::no_lost_write,
                fmt::format("{} took over without a row that {} acknowledged at {}",
                            new_writer.name, row.node, model::to_string(row.lsn)));
    return true;
  });
}

}  // namespace aurum::sim
