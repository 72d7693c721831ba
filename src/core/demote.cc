// Every way of giving up leadership.
//
// What must stay true: the lease page says "no more" before the store does. Whoever sees the key
// free may promote at once, so by then this server must be unable to acknowledge (DESIGN §4,
// "Giving up").

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

using model::Compare;
using model::Write;

void Core::check_deadline() {
  if (!s_.lead.held) return;
  seek_consent();
  if (now_ >= s_.lead.deadline) {
    if (s_.dynamic.pause && s_.page == PageState::maintenance) {
      warn("lead.expired",
           "the leader lease was not renewed in time; paused: PostgreSQL stays as it is");
      emit(StopRenewing{});
      s_.lead = {};
      return;
    }
    const bool gives_way = s_.view && s_.dcs_error.empty() && can_not_write() && has_successor();
    lose_leadership(gives_way              ? "PostgreSQL's disk takes no writes"
                    : s_.dcs_error.empty() ? "failed to update leader lock in DCS"
                                           : "DCS is not accessible and I was a leader");
    // The lock bears this name for as long as the agent lives: whoever can write gets it.
    if (gives_way) s_.no_race_before = now_ + s_.timing.ttl;
    return;
  }
  wake_at(s_.lead.deadline);
  if (s_.page == PageState::maintenance || s_.stopping || s_.demoting) return;
  const Duration last = s_.lead.beat ? s_.lead.beat->fence / 8 : s_.lead.valid_for / 4;
  const Instant begin = s_.lead.deadline - std::min<Duration>(s_.timing.stop_lead, last);
  if (now_ < begin) return wake_at(begin);
  // A clean stop in the time that is left spares the rewind; at the deadline the guard ends it in
  // any case.
  if (!s_.job && s_.lead.promoted && running()) {
    warn("demote.dcs",
         "demoted self because DCS is not accessible and I was a leader: no renewal since "
         "the lease, stopping before it ends");
    s_.demoting = true;
    start_job(StopPg{model::StopMode::fast, s_.lead.deadline - now_, false});
  }
}

/// Queries are answered, and nothing can be written: renewals have ended for that. Also while the
/// stop that follows goes on, or has ended in a panic: it answers nothing then, and its disk is the
/// same (node_failures_scenario_test: a_primary_whose_disk_takes_no_writes_…).
bool Core::can_not_write() const { return s_.disk_refuses; }

void Core::lose_leadership(const std::string& why) {
  const bool held = s_.lead.held;
  const bool standby = s_.lead.standby && !is_primary();
  const std::uint64_t epoch = s_.lead.epoch;
  s_.lead = {};
  s_.poll.reset();
  s_.checkpoint_pending = false;
  s_.crash_since.reset();
  s_.rejoin_checked = false;
  if (held) emit(StopRenewing{});
  if (!running() && !s_.job) {
    set_page(PageState::idle);
    return warn("demote", "demoted self: " + why);
  }
  // A standby that keeps recovering can acknowledge nothing; anything else may be writable, or on
  // its way there, as after a promotion that did not answer (failover_scenario_test:
  // a_promotion_that_comes_true_after_the_lock_is_lost_…), or as one that replays to the target of
  // a restore, where it opens by itself (restore_scenario_test: a_server_that_replays_…).
  const bool stays_standby = accepting() && s_.facts->in_recovery && !s_.demoting &&
                             !job_is<Promote>() && !job_is<StartPg>() && !job_is<RestartPg>();
  const bool opens_by_itself = held_by_restore() && s_.view->restore->node == s_.name();
  if (standby && s_.adopted) return;  // its page is as a former agent left it
  if ((stays_standby && !opens_by_itself) || standby) return set_page(PageState::idle);
  // The deadline is in the past: no commit is acknowledged from here on, and the guard kills what
  // is left.
  set_page(PageState::leased, epoch, Instant{0});
  warn("demote", "demoted self: " + why);
  s_.demoting = true;
  if (s_.job) {
    emit(CancelJob{s_.job->id});
    emit(KillPg{why});
    return;
  }
  start_job(StopPg{model::StopMode::immediate, seconds(5), false});
}

void Core::demote_gracefully(const std::string& why) {
  info("demote.graceful", "Demoting self (graceful): " + why);
  s_.demoting = s_.handed_over = true;
  s_.new_leader_reason = why;
  keep_renewing();
  stop_cleanly(true);
}

void Core::stop_cleanly(bool leading) {
  start_job(StopPg{.mode = model::StopMode::fast,
                   .timeout = seconds(std::max<std::int64_t>(s_.config.pg.pg_ctl_timeout_s, 10)),
                   .checkpoint_first = leading,
                   .tell_last_record = leading && hands_over()});
}

void Core::release_leader(const std::string& why) {
  info("release", "releasing the leader lock: " + why);
  emit(StopRenewing{});
  set_page(PageState::idle);
  // By revision, not by name: a release that arrives late must not erase a leadership taken since.
  const auto revision = leader_key_is_mine() ? s_.view->leader->mod_revision
                                             : static_cast<model::Revision>(s_.lead.epoch);
  model::Txn txn{
      .when = {{.key = "leader", .what = Compare::What::value, .text = s_.name()},
               {.key = "leader", .what = Compare::What::mod_revision, .number = revision}},
      .then = {{.what = Write::What::erase, .key = "leader"}}};
  const bool clean = s_.facts && s_.facts->control && s_.facts->control->state == "shut down";
  if (s_.lead.promoted && (clean || s_.last_record) && s_.view) {
    model::ClusterStatus status = s_.view->status;
    status.optime = clean ? s_.facts->control->checkpoint : s_.last_record->begin;
    txn.then.push_back({.key = "status", .value = model::encode_status(status)});
  }
  const bool still_standby = running() ? accepting() && s_.facts->in_recovery : data_in_recovery();
  if (!s_.lead.promoted && s_.former_sync && still_standby) {
    // Never promoted: the rows are where they were, so is the right to lead.
    txn.then.push_back({.key = "sync", .value = model::encode_sync(*s_.former_sync)});
  }
  s_.former_sync.reset();
  end_promises(txn, revision);
  if (maintenance_key_is_mine()) {
    txn.then.push_back({.what = Write::What::erase, .key = std::string(model::kMaintenanceKey)});
  }
  s_.lead = {};
  s_.crash_since.reset();
  s_.rejoin_checked = false;
  s_.no_race_before = std::max(
      s_.no_race_before, now_ + std::clamp<Duration>(s_.timing.ttl / 3, seconds(2), seconds(10)));
  give_up_leader_writes();
  write("release leader", std::move(txn));
}

/// Leadership is lost, and a server that answers nothing does not even die. The lock would stay
/// ours as long as this agent lives: it is bound to the lease that keeps the member key
/// (node_failures_scenario_test: F16_a_server_that_can_not_even_be_killed_costs_its_node_the_lock).
void Core::let_go_hung() {
  if (s_.job || writing("release leader") || !s_.dcs_error.empty()) return;
  if (!s_.hung_since || s_.dynamic.pause) return;
  // Only behind a page that refuses everything: then all its processes have been sent their kill.
  if (s_.page != PageState::leased) {
    if (now_ - *s_.hung_since < s_.timing.hang_limit / 2) return;
    return lose_leadership("PostgreSQL answers nothing, and the leader lock bears my name");
  }
  if (!s_.race_backoff.may_try(now_)) return wake_at(s_.race_backoff.not_before);
  s_.race_backoff.failed(now_, milliseconds(500), seconds(2));
  warn("release.hung", "releasing the leader lock: PostgreSQL hangs, and can not be killed");
  s_.no_race_before = std::max(s_.no_race_before, now_ + s_.timing.ttl);
  give_up_leader_writes();
  write("release leader", {.when = {{.key = "leader",
                                     .what = Compare::What::mod_revision,
                                     .number = s_.view->leader->mod_revision}},
                           .then = {{.what = Write::What::erase, .key = "leader"}}});
}

void Core::decide_shutdown() {
  if (s_.exiting) return;
  if (s_.job) {
    // What changes nothing, or can be begun anew, is not waited for.
    const bool drop = job_is<Clone>() || job_is<InitDb>() || job_is<PostBootstrap>() ||
                      job_is<Inspect>() || job_is<Checkpoint>() || job_is<RestoreWork>();
    // A restore may read its archive for hours; it goes on where it was.
    const auto* start = std::get_if<StartPg>(&s_.job->job);
    const bool long_start =
        start != nullptr && ((s_.bootstrapping && s_.config.bootstrap.is_custom()) ||
                             start->target.recovery.has_value());
    const bool restoring = long_start && running();
    if ((drop || restoring) && s_.job->progress != "cancelled") {
      s_.job->progress = "cancelled";
      if (drop) emit(CancelJob{s_.job->id});
      if (restoring) emit(KillPg{"shutting down"});
    }
    return;
  }
  if (s_.dynamic.pause) {
    s_.exiting = true;
    return emit(Exit{0, "paused: PostgreSQL and the leader lock stay as they are"});
  }
  for (const Running& side : s_.sides) emit(CancelJob{side.id});
  if (running()) {
    const bool lead = s_.lead.held;
    if (lead) {
      s_.demoting = true;
      keep_renewing();
    }
    return stop_cleanly(lead);
  }
  if (s_.lead.held) release_leader("shutdown");
  if (s_.bootstrapping) release_initialize();
  if (writing("release leader")) return;
  if (!s_.last_member_written) {  // `stopped` in the member key, then go
    s_.last_member_written = true;
    s_.stop_at = now_ + seconds(2);
    return wake_at(now_);
  }
  const bool telling = writing("member") || maintenance_key_is_mine();
  if (telling && now_ < s_.stop_at) return wake_at(s_.stop_at);
  s_.exiting = true;
  emit(Exit{0, "stopped"});
}

void Core::set_page(PageState state, std::uint64_t epoch, Instant deadline) {
  s_.page = state;
  emit(SetLeasePage{state, epoch, deadline});
}

}  // namespace aurum::core
