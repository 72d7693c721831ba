// What must be true after every event, and the guards that help it to be.

#include <algorithm>

#include <fmt/format.h>

#include "core/sync_standbys.h"
#include "sim/world.h"

namespace aurum::sim {

namespace {

/// How long a guard may take from the deadline to the last process's death.
constexpr Duration kGuardReaction = milliseconds(5);
/// A busy cluster of five takes in a few hundred a second.
constexpr int kStepsPerSecondMost = 10'000;

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

void World::check_calm() {
  if (now_ >= calm_until_) {
    calm_until_ = now_ + seconds(1);
    steps_at_ = steps;
  }
  if (spins_ || steps - steps_at_ <= kStepsPerSecondMost) return;
  spins_ = true;  // and the world stands still: such a run would never end
  violation(Rule::calm, fmt::format("{} events within a second", steps - steps_at_));
}

void World::check() {
  check_calm();
  check_writers();
  const Node* n = writer();
  if (n == nullptr) return;
  check_sync(*n);
  const int branch = n->pg.wal.path.back().branch;
  if (n->name != last_writer_ || branch != last_branch_) {
    if (branch > newest_branch_) check_fit_to_lead(*n);
    check_rows(*n);
  }
  if (!last_writer_.empty() && n->name != last_writer_) ++failovers;
  last_writer_ = n->name;
  last_branch_ = branch;
}

void World::check_writers() {
  std::string writers;
  int count = 0;
  for (const auto& [name, n] : nodes_) {
    if (!n->pg.writable()) continue;
    check_lock(*n);
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

/// Not even for a moment: from the end of the lease on anybody may take the lock and be promoted.
void World::check_lock(Node& n) {
  if (leader() == n.name) {
    n.lied_until = {};
    return;
  }
  const bool refused = n.page.state == PageState::leased && n.page.deadline == Instant{};
  if (now_ < n.lied_until || refused || n.page.state == PageState::maintenance) return;
  violation(Rule::lock, fmt::format("{} is writable, and the lock is {}", n.name,
                                    leader().empty() ? "free" : "held by " + leader()));
}

void World::check_fit_to_lead(const Node& n) {
  newest_branch_ = n.pg.wal.path.back().branch;
  model::Member self;
  self.tags = model::effective_tags(n.config.tags);
  if (model::tag_nofailover(self))
    violation(Rule::fit_to_lead, n.name + " was promoted, and is tagged nofailover");
  const model::ClusterView& view = store.view();
  const model::DynamicConfig config = model::read_dynamic_config(view.config);
  if (config.synchronous_mode != model::SyncMode::off || n.pg.wal.path.size() < 2) return;
  const model::Lsn end = n.pg.wal.path.back().begin;
  const auto lag = static_cast<std::uint64_t>(config.maximum_lag_on_failover);
  if (view.status.optime && view.status.optime->value > end.value + lag)
    violation(Rule::fit_to_lead,
              fmt::format("{} was promoted at {}, more than {} behind {}", n.name,
                          model::to_string(end), lag, model::to_string(*view.status.optime)));
}

/// Of a cluster that is founded: before, whoever loses the race throws its initdb away.
void World::check_timeline(const Node& n) {
  const auto* initialize = store.find("initialize");
  if (initialize == nullptr || initialize->value != n.pg.system_identifier) return;
  const Stretch& now = n.pg.wal.path.back();
  const auto [known, added] = branch_of_.emplace(now.timeline, now.branch);
  if (known->second != now.branch)
    violation(Rule::timeline,
              fmt::format("{} writes on timeline {}, which another promotion made before", n.name,
                          now.timeline));
  if (now.timeline < branch_of_.rbegin()->first)
    violation(Rule::timeline,
              fmt::format("{} writes on timeline {}, and {} was acknowledged before", n.name,
                          now.timeline, branch_of_.rbegin()->first));
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
