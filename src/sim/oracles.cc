// What must be true after every event, and the guards that help it to be.

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/sync_wait.h"
#include "sim/world.h"

namespace aurum::sim {

namespace {

/// How long a guard may take from the deadline to the last process's death.
constexpr Duration kGuardReaction = milliseconds(5);
/// A busy cluster of five takes in a few hundred a second.
constexpr int kStepsPerSecondMost = 5'000;

}  // namespace

void World::violation(Rule rule, std::string what) {
  if (violations.size() < 10) trace_as(TraceEntry::Kind::violation, "", what);
  if (violations.size() < 10) violations.push_back({rule, now_ - Instant{}, std::move(what)});
}

void World::guards() {
  for (Node* n : order_) {
    const bool late = n->page.state == PageState::leased && clock(*n) >= n->page.deadline;
    if (!late || !n->up || !n->pg.alive || n->kill_pending ||
        n->paused(Queue::Process::guard, now_))
      continue;
    n->kill_pending = true;
    queue_.put(now_ + kGuardReaction - milliseconds(1),
               {.what =
                    [this, n] {
                      n->kill_pending = false;
                      const bool still =
                          n->page.state == PageState::leased && clock(*n) >= n->page.deadline;
                      if (!n->up || !still || !n->pg.alive) return;
                      ++n->guard_kills;
                      kill_server(*n);
                    },
                .node = n,
                .life = n->boot,
                .process = Queue::Process::guard});
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
  Node* n = nullptr;
  for (Node* each : order_) {
    if (!each->pg.writable()) continue;
    const bool excused_now = excuse(*each) != nullptr;
    // At its promotion or never: later the store tells of rows written since, by itself or, when it
    // was frozen in the middle, by another one.
    if (each->pg.wal.path.back().branch > newest_branch_) {
      if (!excused_now) check_fit_to_lead(*each);
      newest_branch_ = each->pg.wal.path.back().branch;
    }
    if (!excused_now) n = each;
  }
  if (n == nullptr) return;
  check_sync(*n);
  if (!n->pg.roles && store.view().initialize == n->pg.system_identifier)
    violation(Rule::initdb,
              n->name + " serves as the cluster's primary, and its roles were not made");
  const int branch = n->pg.wal.path.back().branch;
  if (n->name != last_writer_ || branch != last_branch_) {
    check_restore(*n);
    check_rows(*n);
  }
  if (!last_writer_.empty() && n->name != last_writer_) ++failovers;
  last_writer_ = n->name;
  last_branch_ = branch;
}

bool World::page_allows(const Node& n) const {
  return n.page.state == PageState::maintenance ||
         (n.page.state == PageState::leased && clock(n) < n.page.deadline);
}

const char* World::excuse(const Node& n) const {
  // docs/decisions/0006: a machine that was frozen past its deadline is writable from its thaw to
  // the guard's next look. The commit fence closes that.
  if (now_ - n.thawed_at <= kGuardReaction && n.thawed_at.ns >= 0) return "thaw_window";
  // Nobody but a stopped guard could have ended it.
  const Instant guard_on = n.paused_until[static_cast<std::size_t>(Queue::Process::guard)];
  if (guard_on.ns > 0 && now_ < guard_on + kGuardReaction) return "guard_paused";
  return nullptr;
}

void World::check_writers() {
  int count = 0;
  const Node* excused_one = nullptr;
  for (Node* n : order_) {
    if (!n->pg.writable() || !may_acknowledge(*n)) continue;
    check_lock(*n);
    ++count;
    const bool in_time = n->page.state == PageState::leased &&
                         clock(*n) <= std::max(n->page.deadline, Instant{}) + kGuardReaction;
    if (in_time || n->page.state == PageState::maintenance || n->kill_pending) continue;
    if (excuse(*n) == nullptr) {
      violation(Rule::lease_page,
                fmt::format("{} is writable, and its lease page does not allow it", n->name));
    }
  }
  if (count <= 1) return;
  std::string writers;
  for (const Node* n : order_) {
    if (!n->pg.writable() || !may_acknowledge(*n)) continue;
    writers += " " + n->name;
    if (excuse(*n) != nullptr) excused_one = n;
  }
  if (excused_one == nullptr)
    return violation(Rule::one_writer, "two servers are writable at once:" + writers);
  // Once for each time, not for each event.
  if (now_ - two_excused_ > seconds(1)) ++excused[excuse(*excused_one)];
  two_excused_ = now_;
}

/// Not even for a moment: from the end of the lease on anybody may take the lock and be promoted,
/// but beside a server that a pause left writable, which the store must say so.
void World::check_lock(Node& n) {
  if (n.page.state == PageState::maintenance) {
    const auto* key = store.find(std::string(model::kMaintenanceKey));
    if ((key == nullptr || key->value != n.name) && excuse(n) == nullptr)
      violation(Rule::lock, n.name + " is writable by the page of a pause, unknown to the store");
  }
  if (leader() == n.name) {
    n.lied_until = {};
    return;
  }
  // Rubbish is nobody's lock: that nobody else writes meanwhile is another rule.
  const auto names = [this](const Node* one) { return one->name == leader(); };
  if (store.find("leader") != nullptr && std::ranges::none_of(order_, names)) return;
  // By the members' promises: that nobody else writes meanwhile is another rule.
  if (clock(n) < n.page.by_consent + kGuardReaction) return;
  const bool refused = n.page.state == PageState::leased && n.page.deadline == Instant{};
  if (now_ < n.lied_until || refused || n.page.state == PageState::maintenance) return;
  if (excuse(n) != nullptr) return;
  violation(Rule::lock,
            fmt::format("{} is writable by page {} for {:.3f} s more, and the lock is {}", n.name,
                        static_cast<int>(n.page.state), to_seconds(n.page.deadline - clock(n)),
                        leader().empty() ? "free" : "held by " + leader()));
}

void World::check_fit_to_lead(const Node& n) {
  model::Member self;
  self.tags = model::effective_tags(n.config.tags);
  if (model::tag_nofailover(self))
    violation(Rule::fit_to_lead, n.name + " was promoted, and is tagged nofailover");
  const model::ClusterView& view = store.view();
  const model::DynamicConfig config = model::read_dynamic_config(view.config);
  if (config.synchronous_mode != model::SyncMode::off || n.pg.wal.path.size() < 2) return;
  const model::Lsn end = n.pg.wal.path.back().begin;
  const auto lag = static_cast<std::uint64_t>(config.maximum_lag_on_failover);
  // Written before a standby cluster was promoted, or a cluster restored, it may tell of what was
  // thrown away.
  const auto* status = store.find("status");
  if (view.restore && view.restore->step == model::RestoreStep::undo) return;
  if (status == nullptr || status->mod_revision < status_counts_since_) return;
  if (view.status.optime && view.status.optime->value > end.value + lag)
    violation(Rule::fit_to_lead,
              fmt::format("{} was promoted at {}, more than {} behind {}", n.name,
                          model::to_string(end), lag, model::to_string(*view.status.optime)));
}

/// Who took the lock when the configuration named a remote already was told that nobody writes.
void World::check_promotion(const Node& n) {
  const auto* lock = store.find("leader");
  if (lock == nullptr || lock->value != n.name) return;  // other rules' matter
  if (following() && lock->mod_revision > follows_since_)
    violation(Rule::standby_cluster,
              n.name + " is promoted, and the cluster is a standby of another one");
}

/// (e) The key promises no more than the server waits for.
void World::check_sync(const Node& n) {
  if (sync_checked_ == store.revision() && sync_names_checked_ == n.pg.sync_names) return;
  sync_checked_ = store.revision();
  sync_names_checked_ = n.pg.sync_names;
  const model::SyncKey& key = store.view().sync;
  if (key.leader != n.name) return;
  if (every_election_knows(key, wait_of(n))) return;
  violation(Rule::sync_key,
            fmt::format("the sync key promises {} (quorum {}), and {} waits for '{}'",
                        fmt::join(key.members, ", "), key.quorum, n.name, n.pg.sync_names));
}

/// (g) What is acknowledged on a timeline comes before all that is acknowledged on a newer one.
void World::check_acknowledged(const Node& n) {
  const model::Timeline timeline = n.pg.wal.timeline();
  if (timeline < newest_acknowledged_) {
    if (const char* why = excuse(n)) {
      ++excused[why];
      return;
    }
    violation(Rule::timeline, fmt::format("{} acknowledges on timeline {} after {}", n.name,
                                          timeline, newest_acknowledged_));
  }
  newest_acknowledged_ = timeline;
  // Of a cluster that is founded: before, whoever loses the race throws its initdb away.
  if (store.view().initialize != n.pg.system_identifier) return;
  const int branch = n.pg.wal.path.back().branch;
  if (branch_of_.emplace(timeline, branch).first->second == branch) return;
  violation(Rule::timeline, fmt::format("{} acknowledges on timeline {}, which another promotion "
                                        "made before",
                                        n.name, timeline));
}

void World::check_rows(Node& new_writer) {
  // What a disk lost that said it was safe, nobody can promise.
  bool forgot = std::exchange(new_writer.pg.forgot, false);
  // With a quorum nor can those who were elected by the vote of one that forgot.
  if (with_quorum_) forgot |= forgotten;
  const int before = lost_guarded;
  std::erase_if(acknowledged, [&](const Acknowledged& row) {
    if (new_writer.pg.wal.contains(row.branch, row.lsn)) return false;
    ++(row.guarded ? lost_guarded : lost_unguarded);
    if (row.guarded && !forgot)
      violation(Rule::no_lost_write,
                fmt::format("{} took over without a row that {} acknowledged at {}",
                            new_writer.name, row.node, model::to_string(row.lsn)));
    return true;
  });
  if (lost_guarded > before && forgot) ++excused["lying_disk"];
}

}  // namespace aurum::sim
