// A server that was stopped to hand the leadership over: from its last record on a standby that has
// received that may lead, however long the rest takes - an archiver whose command is slow, a
// walsender whose standby does not answer.
//
// What must stay true: the lock goes only where the last record was written, so nothing more is
// acknowledged here, and in asynchronous mode only where somebody who may lead has received it:
// then nobody can be promoted without a row that a client was told of (switchover_scenario_test).

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/core.h"
#include "core/switchover.h"

namespace aurum::core {

namespace {

/// Who is not yet known to have the last record is waited for no longer than this, once somebody
/// is: he may have a higher priority.
constexpr Duration kOthers = milliseconds(100);
/// A standby that lost its connection to a server that is down can not catch up from it.
constexpr Duration kNobody = seconds(1);

}  // namespace

/// Whether its stop is for somebody else to lead, and not for a restore, say, or to follow a
/// remote.
bool Core::hands_over() const { return s_.handed_over || s_.stopping; }

/// Somebody who may lead and has received the last record, once the others had their time; "" while
/// there is none.
std::string Core::who_has_last_record() {
  LastRecord& last = *s_.last_record;
  const bool asked = s_.poll && s_.poll->why == Poll::Why::hand_over;
  if (!asked) {
    if (!s_.last_record_backoff.may_try(now_)) {
      wake_at(s_.last_record_backoff.not_before);
      return {};
    }
    ask_members(Poll::Why::hand_over, s_.view->failover ? s_.view->failover->candidate : "");
  }
  RaceView leader = race_view();
  leader.position = last.begin;
  std::string ready;
  bool behind = false;
  for (const auto& name : possible_successors(leader, s_.poll->answers, false)) {
    const model::PeerStatus& status = *s_.poll->answers.at(name);
    // It begins there: who has more than that has it, and nothing is written behind it.
    const bool has = status.timeline == s_.newest_timeline && status.position > last.begin;
    behind |= !has;
    if (has) ready = name;
  }
  const bool open = s_.poll->open();
  const bool waits = (open || behind) && now_ - last.seen_at < kOthers;
  if (!ready.empty() && !waits) {
    s_.poll.reset();
    return ready;
  }
  const Instant until = s_.poll->since + s_.timing.peer_timeout;
  if (open && now_ < until) {
    wake_at(std::min(until, std::max(last.seen_at + kOthers, now_ + milliseconds(1))));
    return {};
  }
  s_.poll.reset();
  s_.last_record_backoff.failed(now_, milliseconds(20), milliseconds(500));
  wake_at(s_.last_record_backoff.not_before);
  return {};
}

/// While what is left of the server goes on.
void Core::hand_over_early() {
  if (!s_.last_record || !job_is<StopPg>() || !hands_over()) return;
  if (!s_.lead.held || !s_.lead.promoted || s_.lead.keyless) return;
  if (!s_.view || !s_.dcs_error.empty()) return;
  const std::string successor = who_has_last_record();
  if (successor.empty()) return;
  release_leader(
      fmt::format("PostgreSQL has written its last record, and {} has received it", successor));
}

/// It is down. False: nobody who may lead has all of its WAL, so it is started again.
bool Core::hand_over_stopped() {
  // In sync mode whoever may lead has every acknowledged row.
  if (!s_.handed_over || s_.dynamic.synchronous_mode != model::SyncMode::off) {
    release_leader("PostgreSQL is shut down");
    return true;
  }
  if (!s_.last_record) {
    s_.last_record = LastRecord{.begin = s_.facts->control->checkpoint, .seen_at = now_};
    s_.last_record_backoff.reset();
  }
  LastRecord& last = *s_.last_record;
  if (!last.ended_at) last.ended_at = now_;
  if (const std::string successor = who_has_last_record(); !successor.empty()) {
    release_leader(fmt::format("PostgreSQL is shut down, and {} has all of its WAL", successor));
    return true;
  }
  const Instant until = *last.ended_at + std::max<Duration>(kNobody, s_.timing.peer_timeout);
  if (now_ < until) {
    wake_at(until);
    return true;
  }
  warn("switchover.undone",
       "the switchover is off, and PostgreSQL is started again: nobody who may lead is known to "
       "have received its last WAL");
  s_.poll.reset();
  s_.handed_over = false;
  s_.drop_request = true;
  return false;
}

}  // namespace aurum::core
