// PostgreSQL does not run, and the data directory is good: start it, as what, and when not to.
//
// What must stay true: it is started as a primary only while this node holds the lock (F54).

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

void Core::decide_stopped() {
  if (s_.lead.held) return restart_crashed_primary();
  if (leader_key_is_mine())
    return reclaim();  // our former self had the lock, and it has not run out
  if (!s_.start_backoff.may_try(now_)) return wake_at(s_.start_backoff.not_before);
  if (leader_is_other()) {
    if (const auto upstream = wanted_upstream()) return decide_rejoin(*upstream);
    return result("waiting for the address of " + s_.view->leader->name);
  }
  // A former leader that gave up on purpose waits for the new one: its own data needs no recovery,
  // and started as a standby now it would only have to be pointed elsewhere a moment later.
  if (now_ < s_.no_race_before) {
    wake_at(s_.no_race_before);
    return result("waiting for a new leader");
  }
  start_as_replica();
}

void Core::start_as_replica() {
  const auto upstream = wanted_upstream();
  result("starting as a secondary");
  start_job(StartPg{replica_target(upstream),
                    seconds(std::max<std::int64_t>(s_.config.pg.pg_ctl_timeout_s, 60))});
}

void Core::restart_crashed_primary() {
  if (s_.demoting) {  // the stop of a switchover or of a demotion has ended
    if (s_.facts->control && s_.facts->control->state == "shut down") {
      return release_leader("PostgreSQL is shut down");
    }
    return release_leader("PostgreSQL is stopped");
  }
  if (!s_.crash_since) s_.crash_since = now_;
  const Duration spent = now_ - *s_.crash_since;
  const Duration budget = seconds(s_.dynamic.primary_start_timeout_s);
  // In sync mode the recorded standby has every acknowledged row and is up: it takes over faster
  // than crash recovery runs. In async mode only our own WAL surely holds them all, so recovery
  // here comes first.
  if (has_sync_successor() && !s_.dynamic.primary_start_timeout_set) {
    return release_leader(
        "PostgreSQL crashed, and a synchronous standby can take over without loss");
  }
  const bool others = s_.view->members.size() > 1;
  if (others && spent >= budget) {
    s_.no_race_before = now_ + s_.timing.ttl;
    return release_leader("PostgreSQL could not be started within primary_start_timeout");
  }
  if (!s_.crash_backoff.may_try(now_)) return wake_at(s_.crash_backoff.not_before);
  s_.crash_backoff.failed(now_, milliseconds(500), seconds(10));
  keep_renewing();
  info("crash.restart", "starting primary after failure");
  start_job(StartPg{primary_target(), std::max<Duration>(budget - spent, seconds(5))});
}

bool Core::has_sync_successor() const {
  const model::SyncKey& sync = s_.view->sync;
  if (s_.dynamic.synchronous_mode == model::SyncMode::off || sync.leader != s_.name()) return false;
  for (const std::string& name : sync.members) {
    const model::Member* member = s_.view->member(name);
    if (member != nullptr && member->state == model::PgState::running &&
        !model::tag_nofailover(*member))
      return true;
  }
  return false;
}

void Core::decide_hung() {
  if (!s_.hung_since || s_.dynamic.pause || !running()) return;
  if (s_.job && !std::holds_alternative<Promote>(s_.job->job)) return;
  const Duration hung = now_ - *s_.hung_since;
  if (hung < s_.timing.hang_limit) return wake_at(*s_.hung_since + s_.timing.hang_limit);
  s_.hung_since = now_;  // again after another limit, should the kill not succeed
  const std::string why = fmt::format("PostgreSQL has not answered for {} ms", to_ms(hung));
  warn("pg.hung", why + ": killing it");
  emit(KillPg{why});
}

}  // namespace aurum::core
