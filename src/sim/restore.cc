// The restore of the cluster: the work of a node, with durations and faults; and the operators who
// ask for it in random runs.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/world.h"

namespace aurum::sim {

using model::DataDir;
using model::RestoreStep;
using What = RestoreWork::What;

namespace {

/// Between two backups, which are taken at once.
constexpr Duration kBackupsApart = seconds(6);
/// How often an operator looks after a restore when all faults are undone.
constexpr Duration kOperatorLooks = seconds(3);
/// After so many errors he does not go on, but undoes it.
constexpr int kErrorsMost = 2;

/// Before anything was touched a restore ends by being forgotten.
bool nothing_touched(const model::Restore& restore) {
  return restore.step == RestoreStep::check || restore.step == RestoreStep::stop;
}

}  // namespace

void World::job(Node& n, JobId id, const RestoreWork& work) {
  if (n.pg.alive && work.what != What::check && work.what != What::forget &&
      work.what != What::backup)
    violation(Rule::data_care, n.name + " restores under a running server");
  if (work.what == What::fetch) n.pg.data = DataDir::incomplete;
  const Duration time = work.what == What::fetch ? milliseconds(1500) : milliseconds(100);
  at_agent(n, time, [this, &n, id, what = work.what, label = work.restore.backup] {
    if (!n.jobs.contains(id)) return;
    DataDirectory& here = n.pg;
    std::string text;
    switch (what) {
      case What::check:
        break;
      case What::fetch:
        fetch_backup(n.pg, label);
        break;
      case What::keep:
        if (!n.kept) n.kept = std::exchange(here, DataDirectory{});
        n.kept->flushed = n.kept->wal.end;
        text = "/kept";
        break;
      case What::take_back:
        if (n.kept) here = *std::exchange(n.kept, std::nullopt);
        break;
      case What::forget:
        n.kept.reset();
        break;
      case What::backup:
        text = "20261123-000000F";
        break;
    }
    end_job(n, n.life, id, JobResult{RestoreDone{text}});
  });
}

void World::fetch_backup(DataDirectory& data, const std::string& label) {
  const auto taken = backups_.find(label);
  DataDirectory fetched;
  fetched.wal = taken != backups_.end() ? taken->second : backup;
  fetched.data = DataDir::ready;
  fetched.flushed = fetched.checkpoint = fetched.wal.end;
  fetched.control_state = "in production";
  fetched.checkpoint_timeline = fetched.wal.timeline();
  fetched.backup_label = fetched.roles = true;
  fetched.system_identifier = store.view().initialize.value_or(data.system_identifier);
  fetched.rewindable = data.rewindable;
  data = std::move(fetched);
}

/// Replays what was archived; at the target the server opens a timeline by itself.
void World::replay(Node& n, int pid, const model::PgRecovery& recovery) {
  at_server(n, jitter(milliseconds(200), seconds(2)) + n.pg.slow_replay, [this, &n, pid, recovery] {
    if (!n.up || !n.pg.alive || n.pg.pid != pid || !n.pg.in_recovery) return;
    const auto to = model::parse_lsn(recovery.target.value);
    const Wal there = archiving_ ? archived_along(n.pg.wal, recovery.timeline) : archived;
    if (n.pg.failing_recoveries > 0 || (to && there.end < *to)) {
      n.pg.failing_recoveries = std::max(0, n.pg.failing_recoveries - 1);
      n.pg.crash();
      return server_ended(n, "recovery ended before the target was reached");
    }
    n.pg.wal = there;
    if (to) n.pg.wal.cut(*to);
    n.pg.flushed = n.pg.wal.end;
    const auto timeline = std::max({n.pg.wal.timeline(), recovery.timeline, recovery.above});
    n.pg.promote(next_branch_++, timeline + 1);
    opened_restored(n);
  });
}

Wal World::archived_along(const Wal& from, model::Timeline timeline) const {
  Wal wal = from;
  for (const auto& [branch, line] : archive_) {
    if (line.timeline() != timeline || !wal.is_prefix_of(line)) continue;
    replay_archive(wal, line);
    break;
  }
  return wal;
}

// -------------------------------------------------------------------------------------- promises

/// Of what was acknowledged the rows behind the target are lost by intention, and only those.
void World::opened_restored(const Node& n) {
  if (!intended_) return;
  Wal reached = n.pg.wal;
  reached.end = reached.path.back().begin;
  reached.path.pop_back();
  if (reached.path != intended_->path || reached.end != intended_->end)
    violation(Rule::restore, n.name + " opens, and is not at the target of the restore");
  restored_branch_ = n.pg.wal.path.back().branch;
  status_counts_since_ = store.revision();
  if (!before_restore_) before_restore_ = acknowledged;
  std::erase_if(acknowledged, [this](const Acknowledged& row) {
    return !intended_->contains(row.branch, row.lsn);
  });
}

/// Somebody takes writes on a new timeline.
void World::check_restore(const Node& n) {
  const auto& restore = store.view().restore;
  if (restore && restore->step == RestoreStep::undo && restore->keeper == n.name) {
    // What was acknowledged since is lost by intention, and all from before is back.
    if (before_restore_) acknowledged = *std::exchange(before_restore_, std::nullopt);
    restored_branch_ = 0;
    intended_.reset();
    status_counts_since_ = store.revision();
  }
  if (restored_branch_ != 0 && n.pg.wal.end_on(restored_branch_) == model::Lsn{})
    violation(Rule::restore, n.name + " leads with data from before the restore");
}

// ------------------------------------------------------------------------------------- operators

void World::take_backups() {
  at(kBackupsApart, [this] {
    const Node* n = writer();
    if (n != nullptr && leader() == n->name && n->pg.roles &&
        store.view().initialize == n->pg.system_identifier) {
      Wal wal = n->pg.wal;
      wal.end = n->pg.flushed;
      backups_[fmt::format("F{}", backups_.size())] = std::move(wal);
    }
    take_backups();
  });
}

bool World::begin_restoring(const Fault& fault) {
  if (store.leaderless() || store_cut_) return false;
  return fault.kind == FaultKind::restore_cluster ? restore_cluster(fault) : end_restore(fault);
}

/// To some place behind a backup, on a replica or on the leader.
bool World::restore_cluster(const Fault& fault) {
  const model::ClusterView& view = store.view();
  Node* primary = writer();
  if (view.restore || paused() || primary == nullptr || leader() != primary->name) return false;
  Wal line = primary->pg.wal;
  line.end = primary->pg.flushed;
  std::vector<std::pair<std::string, model::Lsn>> usable;
  for (const auto& [label, wal] : backups_) {
    if (wal.is_prefix_of(line)) usable.emplace_back(label, wal.end);
  }
  if (usable.empty()) return false;
  const auto& [label, begin] = usable[fault.detail % usable.size()];
  const model::Lsn target{begin.value + fault.detail / 8 % (line.end.value - begin.value + 1)};
  Node* on = primary;
  for (Node* n : order_) {
    const model::Member* member = view.member(n->name);
    const bool fit = member != nullptr && !model::tag_nofailover(*member) && n != primary;
    if (fit && fault.detail / 3 % 4 != 0) on = n;
  }
  line.cut(target);
  intended_ = line;
  before_restore_.reset();
  model::Restore restore{.id = fmt::format("r{}", ++restores_asked_),
                         .node = on->name,
                         .keeper = primary->name,
                         .backup = label};
  restore.target = {model::RecoveryTarget::Kind::lsn, model::to_string(target)};
  restore.timeline = primary->pg.wal.timeline();
  store.put("aurum_restore", model::encode_restore(restore));
  return true;
}

bool World::end_restore(const Fault& fault) {
  if (!store.view().restore) return false;
  const model::Restore restore = *store.view().restore;
  if (!restore.error.empty()) {
    fault.detail % 2 == 0 ? resume_restore(restore) : undo_restore(restore);
    return true;
  }
  if (restore.step == RestoreStep::done && fault.detail % 3 != 0) {
    confirm_restore(restore);
    return true;
  }
  const bool undone = restore.step == RestoreStep::undo_stop || restore.step == RestoreStep::undo;
  if (undone || restore.step == RestoreStep::confirm || fault.detail % 3 != 0) return false;
  undo_restore(restore);
  return true;
}

void World::resume_restore(model::Restore restore) {
  restore.error.clear();
  store.put("aurum_restore", model::encode_restore(restore));
}

void World::undo_restore(model::Restore restore) {
  if (nothing_touched(restore)) return store.put_off("aurum_restore");
  restore.step = RestoreStep::undo_stop;
  restore.error.clear();
  store.put("aurum_restore", model::encode_restore(restore));
}

void World::confirm_restore(model::Restore restore) {
  if (store.view().member(restore.keeper) == nullptr) {  // what it kept is removed by hand
    node(restore.keeper).kept.reset();
    return store.put_off("aurum_restore");
  }
  restore.step = RestoreStep::confirm;
  store.put("aurum_restore", model::encode_restore(restore));
}

/// With the faults undone an operator sees it through.
void World::finish_restore(int errors) {
  at(kOperatorLooks, [this, errors]() mutable {
    const auto& restore = store.view().restore;
    if (!restore) return;
    const bool undone =
        restore->step == RestoreStep::undo_stop || restore->step == RestoreStep::undo;
    if (!restore->error.empty()) {
      undone || ++errors < kErrorsMost ? resume_restore(*restore) : undo_restore(*restore);
    } else if (restore->step == RestoreStep::done) {
      confirm_restore(*restore);
    }
    finish_restore(errors);
  });
}

}  // namespace aurum::sim
