// PostgreSQL does not run, and the data directory is good: start it, as what, and when not to.
//
// What must stay true: it is started as a primary only while this node holds the lock (F54).

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"
#include "core/switchover.h"

namespace aurum::core {

namespace {

/// Most that may be spent on each: our own WAL's end, and the standbys' answers. About what a small
/// crash recovery takes.
constexpr Duration kCrashLook = milliseconds(300);

}  // namespace

void Core::decide_stopped() {
  if (s_.lead.held) return lead_stopped();
  // Our former self had the lock, and it has not run out. Without the store there is no telling.
  if (leader_key_is_mine() && s_.dcs_error.empty()) return reclaim();
  // Whether anybody has its last WAL decides how it is started: look before.
  if (s_.end_unseen) return;
  if (!s_.start_backoff.may_try(now_)) return wake_at(s_.start_backoff.not_before);
  if (leader_is_other()) {
    if (const auto upstream = wanted_upstream()) return decide_rejoin(*upstream);
    return result("waiting for the address of " + followed_text());
  }
  // A former leader that gave up on purpose waits for the new one: its own data needs no recovery,
  // and started as a standby now it would only have to be pointed elsewhere a moment later.
  if (now_ < s_.no_race_before && s_.dcs_error.empty()) {
    wake_at(s_.no_race_before);
    return result("waiting for a new leader");
  }
  start_as_replica();
}

Duration Core::start_limit() const {
  return seconds(std::max<std::int64_t>(s_.config.pg.pg_ctl_timeout_s, 60));
}

void Core::start_as_replica() {
  const auto upstream = wanted_upstream();
  result("starting as a secondary");
  start_job(StartPg{replica_target(upstream), start_limit()});
}

bool Core::data_in_recovery() const {
  if (s_.fresh_copy || (s_.facts && s_.facts->copied)) return true;
  if (!s_.facts || !s_.facts->control) return false;
  const std::string& state = s_.facts->control->state;
  return state == "shut down in recovery" || state == "in archive recovery";
}

void Core::lead_stopped() {
  if (s_.lead.standby || in_standby_cluster()) return lead_standby_stopped();
  const bool clean = s_.facts->control && s_.facts->control->state == "shut down";
  if (s_.demoting && !s_.lead.promoted) return release_leader("PostgreSQL is stopped");
  if (s_.demoting && clean && hand_over_stopped()) return;
  // The stop ended in a kill: the standbys may miss rows, so this is a crash like any other.
  s_.demoting = false;
  if (!s_.crash_since) s_.crash_since = now_;
  const Duration spent = now_ - *s_.crash_since;
  const Duration budget = seconds(s_.dynamic.primary_start_timeout_s);
  // In sync mode the recorded standby has every acknowledged row and is up: it takes over faster
  // than crash recovery runs. In async mode only our own WAL surely holds them all: a standby that
  // has received that to its end does, too, and without one recovery here comes first.
  const bool lossless = s_.dynamic.synchronous_mode != model::SyncMode::off;
  // Without the store nobody can take over: those who could have promised to wait.
  const bool successor = !in_failsafe() && has_successor();
  // Nor could it be started.
  if (s_.lead.promoted && successor && !clean && can_not_write()) {
    s_.no_race_before = now_ + s_.timing.ttl;
    return release_leader("PostgreSQL is down, and its disk takes no writes");
  }
  if (s_.lead.promoted && successor && !s_.dynamic.primary_start_timeout_set) {
    if (lossless)
      return release_leader(
          "PostgreSQL crashed, and a synchronous standby can take over without loss");
    // Whoever shut it down by hand means to start it again, and that takes no recovery.
    if (!clean && hand_over_crashed()) return;
  }
  if (spent >= budget && successor) {
    s_.no_race_before = now_ + s_.timing.ttl;
    return release_leader("PostgreSQL could not be started within primary_start_timeout");
  }
  if (s_.end_unseen && !s_.lead.promoted) return;  // a standby's data, perhaps: the probe tells
  if (!s_.crash_backoff.may_try(now_)) return wake_at(s_.crash_backoff.not_before);
  s_.crash_backoff.failed(now_, milliseconds(500), seconds(10));
  keep_renewing();
  const Duration limit = std::max<Duration>(budget - spent, seconds(5));
  // A standby's data is never opened for writing on the timeline it only received: it is started
  // as what it is, and promoted to a timeline of its own.
  if (data_in_recovery()) {
    info("lead.start", "starting as a secondary, to be promoted: the leader lock is mine");
    return start_job(StartPg{replica_target(std::nullopt), limit});
  }
  if (!watched()) return;
  info("crash.restart", "starting primary after failure");
  start_job(StartPg{primary_target(), limit});
}

/// Whether the lock was given to a standby that has all WAL of this crashed primary, or such a one
/// is looked for (docs/decisions/0005).
///
/// What must stay true: its end is taken after the last process of the server is gone, and before
/// anybody is asked (failover_scenario_test: a_killed_primary_server_…), and on the timeline that
/// it wrote: of a server that was not seen as a primary that is not known.
bool Core::hand_over_crashed() {
  CrashLook& look = s_.crash_look;
  if (look.over || !look.flushed || !s_.dcs_error.empty()) return false;
  if (s_.end_unseen) return true;  // the probe that is on its way tells how it ended
  if (!look.begun) {
    look.begun = true;
    s_.poll.reset();
    start_job(FindWalEnd{look.flushed, s_.newest_timeline, kCrashLook});
    return true;
  }
  if (!look.end) return false;
  const bool asked = s_.poll && s_.poll->why == Poll::Why::crash;
  if (!asked) ask_members(Poll::Why::crash);
  return conclude_crash_look();
}

bool Core::conclude_crash_look() {
  CrashLook& look = s_.crash_look;
  RaceView leader = race_view();
  leader.position = *look.end;
  for (const auto& name : possible_successors(leader, s_.poll->answers, false)) {
    const model::PeerStatus& status = *s_.poll->answers.at(name);
    const model::Member* member = s_.view->member(name);
    // A Patroni takes seconds to notice: recovery here is sooner.
    const bool prompt = member != nullptr && !member->aurum_version.empty();
    if (!prompt || status.timeline != s_.newest_timeline || status.position < *look.end) continue;
    s_.poll.reset();
    release_leader(fmt::format("PostgreSQL crashed, and {} has received all of its WAL, up to {}",
                               name, model::to_string(*look.end)));
    return true;
  }
  const Instant until = s_.poll->since + std::min<Duration>(kCrashLook, s_.timing.peer_timeout);
  if (s_.poll->open() && now_ < until) {
    wake_at(until);
    return true;
  }
  info("crash.alone", fmt::format("no standby is known to have received the WAL up to {}",
                                  model::to_string(*look.end)));
  look.over = true;
  s_.poll.reset();
  return false;
}

/// Somebody who may lead runs, in sync mode with as many others as an election asks for.
bool Core::has_successor() const {
  const bool sync_mode = s_.dynamic.synchronous_mode != model::SyncMode::off;
  const model::SyncKey& sync = s_.view->sync;
  if (sync_mode && sync.leader != s_.name()) return false;
  int voters = 0;
  bool may_lead = false;
  for (const auto& [name, member] : s_.view->members) {
    if (name == s_.name() || (sync_mode && !sync.has(name))) continue;
    if (member.state != model::PgState::running) continue;
    ++voters;
    may_lead |= !model::tag_nofailover(member);
  }
  return may_lead && (!sync_mode || voters > sync.quorum);
}

void Core::decide_hung() {
  if (!s_.hung_since || s_.dynamic.pause || !running()) return;
  if (s_.job && !job_is<Promote>()) return;
  const Duration hung = now_ - *s_.hung_since;
  if (hung < s_.timing.hang_limit) return wake_at(*s_.hung_since + s_.timing.hang_limit);
  s_.hung_since = now_;  // again after another limit, should the kill not succeed
  const std::string why = fmt::format("PostgreSQL has not answered for {} ms", to_ms(hung));
  warn("pg.hung", why + ": killing it");
  emit(KillPg{why});
}

}  // namespace aurum::core
