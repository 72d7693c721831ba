// Every way of giving up leadership.
//
// What must stay true: the lease page says "no more" before the store does. Whoever sees the key
// free may promote at once, so by then this server must be unable to acknowledge (DESIGN §4,
// "Giving up").

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

using model::Compare;
using model::Write;

void Core::check_deadline() {
  if (!s_.lead.held) return;
  if (now_ >= s_.lead.deadline) {
    if (s_.dynamic.pause) {
      warn("lead.expired",
           "the leader lease was not renewed in time; paused: PostgreSQL stays as it is");
      emit(StopRenewing{});
      s_.lead = {};
      return;
    }
    return lose_leadership(s_.dcs_error.empty() ? "failed to update leader lock in DCS"
                                                : "DCS is not accessible and I was a leader");
  }
  wake_at(s_.lead.deadline);
  if (s_.dynamic.pause || s_.stopping || s_.demoting) return;
  const Instant begin = s_.lead.deadline - s_.timing.stop_lead;
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

void Core::lose_leadership(const std::string& why) {
  const bool held = s_.lead.held;
  const std::uint64_t epoch = s_.lead.epoch;
  s_.lead = {};
  s_.poll.reset();
  s_.checkpoint_pending = false;
  s_.crash_since.reset();
  s_.rejoin_checked = false;
  if (held) emit(StopRenewing{});
  const bool in_recovery = accepting() && s_.facts->in_recovery &&
                           !(s_.job && std::holds_alternative<Promote>(s_.job->job));
  if (!running() && !s_.job) {
    emit(SetLeasePage{PageState::idle, 0, {}});
    warn("demote", "demoted self: " + why);
    return;
  }
  if (in_recovery) return emit(SetLeasePage{PageState::idle, 0, {}});
  // The deadline is in the past: no commit is acknowledged from here on, and the guard kills what
  // is left.
  emit(SetLeasePage{PageState::leased, epoch, Instant{0}});
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
  s_.demoting = true;
  s_.new_leader_reason = why;
  keep_renewing();
  start_job(StopPg{model::StopMode::fast,
                   seconds(std::max<std::int64_t>(s_.config.pg.pg_ctl_timeout_s, 10)), true});
}

void Core::release_leader(const std::string& why) {
  info("release", "releasing the leader lock: " + why);
  emit(StopRenewing{});
  emit(SetLeasePage{PageState::idle, 0, {}});
  model::Txn txn{.when = {{.key = "leader", .what = Compare::What::value, .text = s_.name()},
                          {.key = "leader", .what = Compare::What::lease, .number = s_.lease}},
                 .then = {{.what = Write::What::erase, .key = "leader"}}};
  if (s_.lead.promoted && s_.facts->control && s_.facts->control->state == "shut down") {
    model::ClusterStatus status = s_.view->status;
    status.optime = s_.facts->control->checkpoint;
    txn.then.push_back({.key = "status", .value = model::encode_status(status)});
  }
  if (!s_.lead.promoted && s_.former_sync) {
    // Never promoted: the rows are where they were, so is the right to lead.
    txn.then.push_back({.key = "sync", .value = model::encode_sync(*s_.former_sync)});
  }
  s_.former_sync.reset();
  s_.lead = {};
  s_.crash_since.reset();
  s_.rejoin_checked = false;
  s_.no_race_before = std::max(
      s_.no_race_before, now_ + std::clamp<Duration>(s_.timing.ttl / 3, seconds(2), seconds(10)));
  write("release leader", std::move(txn));
}

void Core::decide_shutdown() {
  if (s_.exiting || s_.job) return;
  if (s_.dynamic.pause) {
    s_.exiting = true;
    return emit(Exit{0, "paused: PostgreSQL and the leader lock stay as they are"});
  }
  if (s_.side) emit(CancelJob{s_.side->id});
  if (running()) {
    const bool lead = s_.lead.held;
    if (lead) {
      s_.demoting = true;
      keep_renewing();
    }
    return start_job(StopPg{model::StopMode::fast,
                            seconds(std::max<std::int64_t>(s_.config.pg.pg_ctl_timeout_s, 10)),
                            lead});
  }
  if (s_.lead.held) release_leader("shutdown");
  if (writing("release leader")) return;
  if (!s_.last_member_written) {  // `stopped` in the member key, then go
    s_.last_member_written = true;
    s_.stop_at = now_ + seconds(2);
    return;
  }
  if (writing("member") && now_ < s_.stop_at) return wake_at(s_.stop_at);
  s_.exiting = true;
  emit(Exit{0, "stopped"});
}

void Core::decide_paused() {
  decide_requests();
  if (s_.job) return;
  if (s_.lead.held) {
    if (!is_primary() && accepting())
      return release_leader("paused, and this server is no primary");
    keep_renewing();
    if (!s_.page_maintenance) {
      s_.page_maintenance = true;
      emit(SetLeasePage{PageState::maintenance, s_.lead.epoch, s_.lead.deadline});
    }
    if (!is_primary()) return result("PostgreSQL is not running");
    lead_store();
    lead_failover_request();
    return result(fmt::format("no action. I am ({}), the leader with the lock", s_.name()));
  }
  if (leader_key_is_mine() && is_primary()) return reclaim();
  if (!s_.view->leader && is_primary()) return decide_race();
  if (!s_.view->leader && accepting() && s_.view->failover &&
      s_.view->failover->candidate == s_.name()) {
    return decide_race();
  }
  result(running() ? fmt::format("no action. I am ({})", s_.name()) : "PostgreSQL is not running");
}

}  // namespace aurum::core
