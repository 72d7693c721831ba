#include "core/race.h"

#include <compare>

#include <fmt/format.h>

#include "model/lsn.h"

namespace aurum::core {

using model::Lsn;
using model::SyncMode;

namespace {

RaceVerdict no(std::string text) { return {false, std::move(text)}; }

const char* const kUnhealthy = "following a different leader because i am not the healthiest node";
const char* const kNotAllowed = "following a different leader because I am not allowed to promote";

/// In sync mode only the recorded leader and its sync standbys hold every acknowledged row. With a
/// quorum the votes tell.
bool listed_in_sync(const RaceView& view) {
  const model::SyncKey& sync = view.cluster->sync;
  if (view.config->synchronous_mode == SyncMode::off || sync.leader.empty()) return true;
  if (view.config->synchronous_mode == SyncMode::quorum) return true;
  return sync.matches(view.self);
}

bool behind_limit(const RaceView& view) {
  const auto& optime = view.cluster->status.optime;
  if (!optime || view.position >= *optime) return false;
  return optime->value - view.position.value >
         static_cast<std::uint64_t>(view.config->maximum_lag_on_failover);
}

bool timeline_is_old(const RaceView& view) {
  if (view.cluster->history.empty() || view.timeline == 0) return false;
  return view.timeline <= view.cluster->history.back().timeline;
}

bool is_requested_candidate(const RaceView& view) {
  return view.cluster->failover && view.cluster->failover->candidate == view.self;
}

/// Whether an operator says since `revision` that whoever may still write is off: by a failover to
/// this node that asks no leader to stop first.
bool said_to_be_off(const RaceView& view, model::Revision revision) {
  const auto& request = view.cluster->failover;
  return is_requested_candidate(view) && request->leader.empty() &&
         request->mod_revision >= revision;
}

/// Whether a pause may have left another member's server writable. Its agent tells when it is not,
/// or an operator does since, by a failover that asks no leader to stop first
/// (maintenance_scenario_test).
bool left_writable_elsewhere(const RaceView& view) {
  const auto& left = view.cluster->maintenance;
  return left && left->name != view.self && !said_to_be_off(view, left->mod_revision);
}

bool in_failsafe_map(const RaceView& view, const std::string& name) {
  const auto& map = view.cluster->failsafe;
  return !map || map->members.empty() || map->members.contains(name);
}

/// Who is not in the failsafe map was not asked: its leader may write on without the store.
bool outside_failsafe_map(const RaceView& view) {
  return !in_failsafe_map(view, view.self) &&
         !said_to_be_off(view, view.cluster->failsafe->mod_revision);
}

/// The peer's WAL against ours. More of it on a branch that was left behind is worth nothing (F23).
/// Timelines that are not known do not count.
std::strong_ordering freshness(const model::PeerStatus& peer, const RaceView& view) {
  const bool both_known = peer.timeline != 0 && view.timeline != 0;
  if (both_known && peer.timeline != view.timeline) return peer.timeline <=> view.timeline;
  // What there is of a running primary's timeline comes from it: a standby that tells of more was
  // asked later, while writes went on (SIMULATION, seed 790382).
  const bool source = both_known && !view.in_recovery;
  if (source && peer.position > view.position) return std::strong_ordering::equal;
  return peer.position <=> view.position;
}

/// Whether those who have no more than this node has, and it itself, include one who has every
/// acknowledged commit (sync_quorum.h). Asked by what the key says, whatever the mode is: it may
/// have changed a moment ago.
bool votes_suffice(const RaceView& view, const PeerAnswers& answers) {
  const model::SyncKey& sync = view.cluster->sync;
  int votes = sync.has(view.self) ? 1 : 0;
  for (const auto& [name, status] : answers) {
    const bool there = status && status->running && status->in_recovery && name != view.self;
    if (!there || !sync.matches(name) || freshness(*status, view) > 0) continue;
    if (!sync.has(name)) return true;  // the recorded leader: it has them all
    ++votes;
  }
  return votes > sync.quorum;
}

}  // namespace

RaceVerdict may_stand(const RaceView& view) {
  if (!view.accepting) return no("not promoting: PostgreSQL does not accept connections");
  if (left_writable_elsewhere(view)) {
    return no(
        fmt::format("not promoting: {} may still write, as the pause let it, and does not "
                    "answer; if it is off, say so by a failover to another member",
                    view.cluster->maintenance->name));
  }
  if (outside_failsafe_map(view)) {
    return no(
        "not promoting: this member is not in the failsafe map, so the last leader may still "
        "write; if it is off, say so by a failover to this member");
  }
  if (!view.watchdog_trouble.empty()) return no("not promoting: " + view.watchdog_trouble);
  model::Member self;
  self.tags = view.tags;
  if (model::tag_nofailover(self)) return no(kNotAllowed);
  if (!listed_in_sync(view)) return no(kNotAllowed);
  // A former primary that was away while another one wrote a newer timeline must not come back as
  // if nothing had happened (F1). Its WAL is a dead branch whatever its position says.
  if (!view.in_recovery && timeline_is_old(view)) {
    return no(fmt::format("not taking the lock: my timeline {} ended at {} in the history",
                          view.timeline, to_string(view.cluster->history.back().lsn)));
  }
  if (view.paused && view.in_recovery && !is_requested_candidate(view)) {
    return no("not promoting: cluster management is paused");
  }
  if (view.in_recovery) {
    if (view.config->check_timeline && timeline_is_old(view)) {
      return no("not promoting: my timeline is behind the cluster's history");
    }
    // What a standby cluster lacks its remote has; and what was written here before, it may have
    // thrown away (standby_cluster_scenario_test:
    // what_was_thrown_away_for_the_remote_bars_nobody_…).
    if (!view.config->standby_cluster && behind_limit(view))
      return no("My wal position exceeds maximum replication lag");
  }
  return {true, {}};
}

RaceVerdict judge_race(const RaceView& view, const PeerAnswers& answers) {
  const model::SyncKey& sync = view.cluster->sync;
  const bool sync_mode = view.config->synchronous_mode != SyncMode::off && !sync.leader.empty();
  // The leader recorded in `sync` has every acknowledged row, whoever is ahead of it by
  // unacknowledged ones.
  const bool recorded_leader =
      sync_mode && model::SyncKey{.leader = sync.leader}.matches(view.self);
  const bool wanted = is_requested_candidate(view);
  model::Member self;
  self.tags = view.tags;
  const int my_priority = model::tag_failover_priority(self);
  const bool yields = view.disk == model::DiskLevel::critical && !recorded_leader && !wanted &&
                      view.leaderless <= kRoomPatience;

  for (const auto& [name, status] : answers) {
    if (!status || name == view.self) continue;
    if (!status->in_recovery && status->running) {
      return no(fmt::format("not promoting: {} is running as a primary", name));
    }
    model::Member peer;
    peer.tags = status->tags;
    // Somebody who may never lead can not be waited for.
    const bool never = model::tag_nofailover(peer) || status->watchdog_failed;
    if (never || !status->running || !in_failsafe_map(view, name)) continue;
    if (sync_mode && !sync.matches(name)) continue;
    const auto fresh = freshness(*status, view);
    if (fresh > 0 && !recorded_leader) {
      return no(
          fmt::format("{}: Wal position of {} is ahead of my wal position", kUnhealthy, name));
    }
    const model::Member* known = view.cluster->member(name);
    if (fresh == 0 && yields && known != nullptr && has_room(*known)) {
      return no(fmt::format("{} has as much WAL, and room on its disk", name));
    }
    const int priority = model::tag_failover_priority(peer);
    if (fresh == 0 && priority > my_priority && !recorded_leader && !wanted) {
      return no(fmt::format(
          "{} has equally tolerable WAL position and priority {}, while this node has priority {}",
          name, priority, my_priority));
    }
  }
  if (sync_mode && !recorded_leader && !votes_suffice(view, answers)) {
    return no(fmt::format("{}: too few of the synchronous standbys answer (quorum {})", kUnhealthy,
                          sync.quorum));
  }
  if (waits_for_candidate(view, answers)) {
    return no(fmt::format("waiting for {}, the candidate of the request",
                          view.cluster->failover->candidate));
  }
  return {true, {}};
}

bool has_room(const model::Member& member) {
  return !member.aurum_version.empty() && member.disk != model::DiskLevel::critical;
}

bool waits_for_candidate(const RaceView& view, const PeerAnswers& answers) {
  const auto& request = view.cluster->failover;
  if (!request || request->candidate.empty() || request->candidate == view.self) return false;
  if (!request->scheduled_at.empty() || view.leaderless > kCandidatePatience) return false;
  const auto answer = answers.find(request->candidate);
  if (answer == answers.end() || !answer->second) return false;
  model::Member peer;
  peer.tags = answer->second->tags;
  return answer->second->running && !model::tag_nofailover(peer);
}

}  // namespace aurum::core
