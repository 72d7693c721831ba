// The restore of the whole cluster from a backup (model/restore.h): which part this node has in it.
//
// What must stay true (sim/restore_scenario_test.cc):
//  - From the step `fetch` on nobody leads who does not know of the restore: that step is written
//    only while there is no `leader` key, and whoever takes the lock compares the restore's key.
//  - The keeper's old data is not written to before it is kept aside, or a confirmation has come.
//  - Nor is the lock taken beside a server that a pause left writable.
//  - A directory from before the restore is never promoted once the restored one was opened.

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

using model::Compare;
using model::DataDir;
using model::PgState;
using model::Restore;
using model::RestoreStep;
using What = RestoreWork::What;

namespace {

/// What fails so often waits for an operator: to go on, or to undo it.
constexpr int kRestoreTries = 3;
/// A keeper that was lost in the middle of its stop may come back with WAL that nobody else has.
constexpr Duration kKeeperReturns = seconds(15);
constexpr Duration kLongRecovery = std::chrono::hours(24 * 7);

bool is_down(const model::Member& member) {
  return member.state == PgState::stopped || member.state == PgState::crashed ||
         member.state == PgState::start_failed;
}

}  // namespace

bool Core::held_by_restore() const {
  if (!s_.view || !s_.view->restore) return false;
  switch (s_.view->restore->step) {
    case RestoreStep::stop:
    case RestoreStep::fetch:
    case RestoreStep::open:
    case RestoreStep::undo_stop:
    case RestoreStep::undo:
      return true;
    case RestoreStep::check:
    case RestoreStep::rebuild:
    case RestoreStep::done:
    case RestoreStep::confirm:
      return false;
  }
  return false;
}

bool Core::data_before_restore() const {
  const auto& restore = s_.view->restore;
  return restore && restore->opened != 0 && s_.facts->timeline < restore->opened;
}

void Core::require_same_restore(model::Txn& txn) const {
  txn.when.push_back({.key = "aurum_restore",
                      .what = Compare::What::mod_revision,
                      .number = s_.view->restore_revision});
}

bool Core::decide_restore() {
  const Restore& restore = *s_.view->restore;
  const std::string at =
      fmt::format("{} {} {}", restore.id, model::to_string(restore.step), restore.error);
  if (s_.restore.at != at) {
    s_.restore.at = at;
    s_.restore.backoff.reset();
  }
  if (s_.restore.id != restore.id) {
    s_.restore.id = restore.id;
    s_.restore.done.clear();
  }
  switch (restore.step) {
    case RestoreStep::check:
      if (restore.node != s_.name() || !restore.error.empty()) return false;
      if (s_.view->leader && s_.view->leader->name != restore.keeper)
        fail_restore(fmt::format("{} leads now, and not {}: ask again", s_.view->leader->name,
                                 restore.keeper));
      else if (restore_result(What::check) != nullptr)
        next_restore_step(RestoreStep::stop);
      else
        restore_work(What::check, true);
      return false;
    case RestoreStep::stop:
    case RestoreStep::undo_stop:
      stop_for_restore();
      return true;
    case RestoreStep::fetch:
      fetch_backup();
      return true;
    case RestoreStep::open:
      open_restored();
      return true;
    case RestoreStep::rebuild:
    case RestoreStep::done:
      if (keep_old_data()) return true;
      lead_restored();
      return false;
    case RestoreStep::confirm:
      end_restore();
      return false;
    case RestoreStep::undo:
      undo_restore();
      return true;
  }
  return false;
}

/// What may last for hours, and is of no use to the step that has begun meanwhile.
void Core::interrupt_for_restore() {
  if (!held_by_restore() || s_.job->progress == "cancelled") return;
  const bool stopping = s_.view->restore->step == RestoreStep::stop ||
                        s_.view->restore->step == RestoreStep::undo_stop;
  if (!stopping) return;
  if (job_is<Clone>() || job_is<RestoreWork>()) {
    s_.job->progress = "cancelled";
    emit(CancelJob{s_.job->id});
  } else if (const auto* start = std::get_if<StartPg>(&s_.job->job);
             start != nullptr && !start->target.primary && running()) {
    s_.job->progress = "cancelled";
    emit(KillPg{"a restore of the cluster begins"});
  }
}

void Core::stop_for_restore() {
  const Restore& restore = *s_.view->restore;
  const bool undo = restore.step == RestoreStep::undo_stop;
  const std::string& coordinator = undo ? restore.keeper : restore.node;
  const std::string why = undo ? "the restore of the cluster is undone"
                               : "the cluster is restored from backup " + restore.backup;
  s_.rejoin_checked = false;
  if (leader_key_is_mine() && !s_.lead.held) return reclaim();
  if (running()) {
    warn("restore.stop", "stopping PostgreSQL: " + why);
    const bool lead = s_.lead.held;
    if (lead) {
      s_.demoting = true;
      keep_renewing();
    }
    return start_job(StopPg{.mode = model::StopMode::fast,
                            .timeout = seconds(60),
                            .checkpoint_first = lead,
                            .mark_end = lead && !undo});
  }
  if (!undo && restore.keeper == s_.name() && !restore.ended && !end_wal_for_restore()) return;
  if (s_.lead.held) return release_leader(why);
  if (coordinator != s_.name())
    return result(fmt::format("stopped: {}; {} is next", why, coordinator));
  if (s_.view->leader)
    return result(fmt::format("waiting for {} to stop: {}", s_.view->leader->name, why));
  for (const auto& [name, member] : s_.view->members) {
    const bool ended = undo || name != restore.keeper || restore.ended;
    if (name == s_.name() || (is_down(member) && ended)) continue;
    return result(fmt::format("waiting for {} to stop: {}", name, why));
  }
  if (waits_for_a_paused_server()) return;
  const Duration leaderless = s_.leaderless_since ? now_ - *s_.leaderless_since : Duration{};
  if (!undo && !restore.ended && leaderless < kKeeperReturns) {
    wake_at(now_ + kKeeperReturns - leaderless);
    return result(fmt::format("waiting for {} to come back: {}", restore.keeper, why));
  }
  next_restore_step(undo ? RestoreStep::undo : RestoreStep::fetch);
}

/// A pause may have left it writable, and its agent is not heard: whoever took the lock beside it
/// were a second writer (docs/decisions/0009).
bool Core::waits_for_a_paused_server() {
  const auto& left = s_.view->maintenance;
  if (!left || left->name == s_.name()) return false;
  result(fmt::format(
      "waiting for {}: it may still write, as a pause let it, and does not answer; if it is off "
      "for good, remove the key {} from etcd",
      left->name, model::kMaintenanceKey));
  return true;
}

/// By who is to open the restored data, or the old data again, and has stopped its server.
void Core::take_lock_for_restore(const std::string& why) {
  if (s_.view->leader) return result("waiting for the lock");
  if (s_.lease == 0 || writing("acquire leader") || writing("release leader")) return;
  if (waits_for_a_paused_server()) return;
  if (!s_.race_backoff.may_try(now_)) return wake_at(s_.race_backoff.not_before);
  acquire(why);
}

/// True once this keeper's WAL has its end. A primary that crashed in the middle is started once
/// more, to be stopped in order: what it wrote last is in no archive yet.
bool Core::end_wal_for_restore() {
  if (s_.end_unseen) return false;
  const auto& control = s_.facts->control;
  const auto& history = s_.view->history;
  const model::Timeline newest =
      std::max(s_.view->timeline_given, history.empty() ? 0 : history.back().timeline + 1);
  const bool crashed = control && control->state == "in production" && !data_in_recovery() &&
                       (s_.lead.held || newest <= control->timeline);
  if (!crashed || s_.restore.backoff.failures >= kRestoreTries) {
    Restore next = *s_.view->restore;
    next.ended = true;
    write_restore(std::move(next), {});
    return false;
  }
  if (!s_.lead.held) {
    if (s_.view->leader || s_.lease == 0 || writing("acquire leader")) return false;
    if (waits_for_a_paused_server()) return false;
    if (s_.race_backoff.may_try(now_)) acquire("to archive the end of the WAL");
    return false;
  }
  keep_renewing();
  if (!s_.restore.backoff.may_try(now_)) return false;
  s_.restore.backoff.failed(now_, seconds(1), seconds(5));
  info("restore.end", "starting PostgreSQL once more, to archive the end of its WAL");
  start_job(StartPg{primary_target(), start_limit()});
  return false;
}

void Core::fetch_backup() {
  const Restore& restore = *s_.view->restore;
  if (restore.node != s_.name() || running()) {
    if (running()) return start_job(StopPg{model::StopMode::immediate, seconds(30), false});
    return result(fmt::format("stopped: {} is restored from {}", restore.node, restore.backup));
  }
  if (!restore.error.empty()) return result("the restore stands still: " + restore.error);
  if (restore.keeper == s_.name() && !restore.discard && restore.kept.empty()) {
    const std::string* kept = restore_result(What::keep);
    if (kept == nullptr) return restore_work(What::keep, false);
    if (*kept == model::kInPlace)
      return fail_restore("the old data directory can not be moved aside");
    Restore next = restore;
    next.kept = *kept;
    return write_restore(std::move(next), {});
  }
  if (restore_result(What::fetch) == nullptr) return restore_work(What::fetch, false);
  next_restore_step(RestoreStep::open);
}

void Core::open_restored() {
  const Restore& restore = *s_.view->restore;
  const bool mine = restore.node == s_.name();
  if (!mine || !restore.error.empty()) {
    if (running()) return start_job(StopPg{model::StopMode::immediate, seconds(30), false});
    if (s_.lead.held) return release_leader("the restore stands still");
    return result(mine ? "the restore stands still: " + restore.error
                       : fmt::format("stopped: {} replays WAL", restore.node));
  }
  if (!s_.lead.held) {
    if (leader_key_is_mine()) return reclaim();
    if (running()) return start_job(StopPg{model::StopMode::immediate, seconds(30), false});
    return take_lock_for_restore("restored from backup " + restore.backup);
  }
  keep_renewing();
  if (!running()) {
    if (s_.end_unseen) return;
    if (!s_.restore.backoff.may_try(now_)) return wake_at(s_.restore.backoff.not_before);
    if (s_.restore.backoff.failures >= kRestoreTries)
      return fail_restore(
          fmt::format("PostgreSQL ended {} times before it reached {}: see its log on {}",
                      kRestoreTries, model::describe(restore.target), s_.name()));
    s_.restore.backoff.failed(now_, seconds(1), seconds(5));
    // It was open already, and nobody lived to say so: what it is now is the restored cluster.
    if (s_.facts->control && !data_in_recovery())
      return start_job(StartPg{primary_target(), start_limit()});
    model::PgTarget target = replica_target(std::nullopt);
    target.recovery = model::PgRecovery{restore.target, restore.timeline, timeline_asked_ - 1};
    info("restore.recover", "replaying WAL up to " + model::describe(restore.target));
    return start_job(StartPg{target, kLongRecovery});
  }
  if (!is_primary()) return result("replaying WAL up to " + model::describe(restore.target));
  if (!may_write("restore")) return wake_at(now_ + milliseconds(100));
  // What a promotion does, which PostgreSQL has done by itself here.
  s_.lead.promoted = s_.checkpoint_pending = s_.data_was_primary = true;
  s_.applied.reset();  // it was started as a standby
  s_.applied_dynamic = {};
  s_.sync_setting_since = model::Lsn{};
  s_.former_sync.reset();
  call_back("on_role_change", model::Role::primary);
  info("restore.opened", fmt::format("{} was reached: timeline {} is open",
                                     model::describe(restore.target), s_.facts->timeline));
  next_restore_step(RestoreStep::rebuild);
}

/// True while this node's data, as it was before the restore, must stay as it is.
bool Core::keep_old_data() {
  const Restore& restore = *s_.view->restore;
  if (restore.keeper != s_.name() || restore.node == s_.name()) return false;
  if (restore.kept == model::kInPlace) {
    result(
        "keeping the data from before the restore; there is no room for a copy beside it "
        "(hint: aurum restore --confirm lets this member be rebuilt)");
    return true;
  }
  if (!restore.kept.empty() || restore.discard) return false;
  if (running()) {
    start_job(StopPg{model::StopMode::immediate, seconds(30), false});
  } else if (const std::string* kept = restore_result(What::keep)) {
    Restore next = restore;
    next.kept = *kept;
    write_restore(std::move(next), {});
  } else {
    restore_work(What::keep, false);
  }
  return true;
}

/// The leader of the restored cluster takes a backup, and sees when everybody is back.
void Core::lead_restored() {
  const Restore& restore = *s_.view->restore;
  if (!s_.lead.held || !is_primary() || restore.step != RestoreStep::rebuild) return;
  if (restore.new_backup.empty()) {
    const std::string* label = restore_result(What::backup);
    if (label == nullptr) return restore_work(What::backup, true);
    Restore next = restore;
    next.new_backup = *label;
    return write_restore(std::move(next), {});
  }
  for (const auto& [name, member] : s_.view->members) {
    const bool waits = name == restore.keeper && restore.kept == model::kInPlace;
    if (name == s_.name() || waits) continue;
    if (member.state != PgState::running || member.timeline.value_or(0) < restore.opened) return;
  }
  next_restore_step(RestoreStep::done);
}

/// A confirmation came: nobody wants the old data any more.
void Core::end_restore() {
  const Restore& restore = *s_.view->restore;
  if (restore.keeper != s_.name()) return;
  if (restore.kept == model::kInPlace) {
    // It is rebuilt like any other, and until then never promoted.
    if (accepting() && s_.facts->timeline >= restore.opened) erase_restore();
    return;
  }
  if (!restore.kept.empty() && restore_result(What::forget) == nullptr)
    return restore_work(What::forget, true);
  erase_restore();
}

void Core::undo_restore() {
  const Restore& restore = *s_.view->restore;
  if (restore.keeper != s_.name()) {
    if (running()) return start_job(StopPg{model::StopMode::immediate, seconds(30), false});
    return result(fmt::format("stopped: {} leads again with its old data", restore.keeper));
  }
  if (!restore.error.empty()) return result("the undoing stands still: " + restore.error);
  if (!s_.lead.held) {
    if (leader_key_is_mine()) return reclaim();
    if (running()) return start_job(StopPg{model::StopMode::immediate, seconds(30), false});
    if (restore_result(What::take_back) == nullptr) return restore_work(What::take_back, false);
    return take_lock_for_restore("the restore is undone");
  }
  keep_renewing();
  if (!running()) {
    if (!s_.start_backoff.may_try(now_)) return wake_at(s_.start_backoff.not_before);
    model::PgTarget target = replica_target(std::nullopt);
    target.own_timeline = true;  // the archive has the restored one, which is no child of it
    return start_job(StartPg{target, start_limit()});
  }
  if (!accepting()) return result("PostgreSQL is starting up");
  if (s_.facts->in_recovery) return promote();
  if (!may_write("restore")) return wake_at(now_ + milliseconds(100));
  s_.lead.promoted = true;
  info("restore.undone", "the restore is undone: leading with the old data");
  erase_restore();
}

void Core::restore_work(What what, bool beside) {
  if (side_running<RestoreWork>()) return;
  if (!s_.restore.backoff.may_try(now_)) return wake_at(s_.restore.backoff.not_before);
  RestoreWork work{what, *s_.view->restore};
  beside ? start_side(std::move(work)) : start_job(std::move(work));
}

const std::string* Core::restore_result(What what) const {
  const auto done = s_.restore.done.find(what);
  return done == s_.restore.done.end() ? nullptr : &done->second;
}

void Core::ended(const RestoreWork& work, const Result<JobResult>& result) {
  if (!s_.view || !s_.view->restore || s_.view->restore->id != work.restore.id) return;
  const auto* done = result ? std::get_if<RestoreDone>(&*result) : nullptr;
  if (done != nullptr) {
    s_.restore.id = work.restore.id;
    s_.restore.done[work.what] = done->text;
    s_.restore.backoff.reset();
    if (work.what == What::fetch || work.what == What::take_back) {
      s_.data_was_primary = s_.fresh_copy = s_.crashed = s_.start_failed = false;
      s_.newest_timeline = 0;
    }
    return;
  }
  if (result || result.error().code == Code::cancelled) return;
  s_.restore.backoff.failed(now_, seconds(1), seconds(30));
  const bool enough = work.what == What::check || s_.restore.backoff.failures >= kRestoreTries;
  // A backup that can not be taken stops nobody; it is tried again.
  if (enough && work.what != What::backup && work.what != What::forget)
    fail_restore(result.error().text());
}

void Core::next_restore_step(RestoreStep step) {
  Restore next = *s_.view->restore;
  next.step = step;
  next.marks.push_back({step, s_.name(), model::iso8601(wall_)});
  std::vector<Compare> more;
  if (step == RestoreStep::fetch || step == RestoreStep::undo) more.push_back({.key = "leader"});
  if (step == RestoreStep::stop && s_.view->leader)
    more.push_back({.key = "leader", .what = Compare::What::value, .text = next.keeper});
  if (step == RestoreStep::rebuild) {
    next.opened = s_.facts->timeline;
    more = as_leader({}).when;
  }
  write_restore(std::move(next), std::move(more));
}

void Core::fail_restore(const std::string& why) {
  Restore next = *s_.view->restore;
  next.error = why;
  write_restore(std::move(next), {});
}

void Core::write_restore(Restore next, std::vector<Compare> more) {
  if (!may_write("restore")) return wake_at(now_ + milliseconds(100));
  model::Txn txn{.when = std::move(more),
                 .then = {{.key = "aurum_restore", .value = model::encode_restore(next)}}};
  require_same_restore(txn);
  write("restore", std::move(txn));
}

void Core::erase_restore() {
  if (!may_write("restore")) return wake_at(now_ + milliseconds(100));
  model::Txn txn{.then = {{.what = model::Write::What::erase, .key = "aurum_restore"}}};
  require_same_restore(txn);
  write("restore", std::move(txn));
}

}  // namespace aurum::core
