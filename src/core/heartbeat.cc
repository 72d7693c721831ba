// The leader's heartbeat, and how others take the lock over from a leader that has stopped to beat
// (DESIGN §4 "Heartbeat", docs/decisions/0017).
//
// What must stay true (heartbeat_scenario_test):
//  - from when a first one is sent, the page's deadline is no later than `fence` after the last
//    answered one was sent, whatever the lease allows; and no later than the lease allows;
//  - an epoch has heartbeats of one rate. To change or to end them the lock is taken anew, and late
//    ones of before fail their compare (a_late_heartbeat_of_another_rate_…);
//  - whoever takes over has had the same one for `takeover` of its own clock, from when it was
//    received, and takes the lock by a transaction that compares its revision.

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

// ---------------------------------------------------------------------------------- the leader

/// None in a pause: nobody takes over then, and an outage of the store must cost nothing. None
/// beside a Patroni, which tells of no promise and whose server nobody kills in time.
std::optional<BeatRate> Core::beat_wanted() const {
  if (!s_.view || s_.dynamic.pause) return std::nullopt;
  if (s_.view->restore) return s_.lead.beat;
  if (s_.view->initialize.value_or("").empty()) return std::nullopt;
  const bool all_ours = std::ranges::none_of(
      s_.view->members, [](const auto& m) { return m.second.aurum_version.empty(); });
  return all_ours ? s_.timing.beat : std::nullopt;
}

bool Core::beats_otherwise() const { return s_.lead.beat && s_.lead.beat != beat_wanted(); }

/// The first one may be in the store from now on, answered or not.
Instant Core::begin_beating(BeatRate rate) {
  s_.lead.beat = rate;
  s_.lead.renewed_until = std::min(s_.lead.renewed_until, now_ + rate.fence);
  s_.lead.deadline = std::max(s_.lead.renewed_until, s_.lead.consent.until);
  return s_.lead.deadline;
}

// --------------------------------------------------------------------------------- the others

void Core::hear_heartbeat() {
  const model::Revision newest = s_.view->heartbeat ? s_.view->heartbeat->mod_revision : 0;
  if (newest == s_.heard.revision) return;
  s_.heard = {newest, now_};
  // It is there: what was asked because it seemed not to be says nothing any more.
  if (s_.poll && s_.poll->why == Poll::Why::race && leader_is_other()) s_.poll.reset();
}

/// Null: its lease alone tells.
const model::Heartbeat* Core::heartbeat_of_leader() const {
  const auto& beat = s_.view->heartbeat;
  const auto& leader = s_.view->leader;
  const bool counts = beat && leader && leader->name != s_.name() && beat->leader == leader->name &&
                      beat->mod_revision >= leader->mod_revision;
  return counts ? &*beat : nullptr;
}

Instant Core::may_take_over_at() const {
  const model::Heartbeat* last = heartbeat_of_leader();
  return last != nullptr ? s_.heard.at + last->takeover : now_;
}

/// Its deadline has passed, whatever its clock: what the others have from now on is all there is.
bool Core::leader_is_silent() {
  const model::Heartbeat* last = heartbeat_of_leader();
  if (last == nullptr || promised_away() || !s_.dcs_error.empty()) return false;
  const Instant fenced = s_.heard.at + last->fence + last->fence / 50;
  if (now_ < fenced) {
    wake_at(fenced);
    return false;
  }
  return true;
}

}  // namespace aurum::core
