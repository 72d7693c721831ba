// No leader: ask the peers, stand, take the lock.

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

using model::Compare;

RaceView Core::race_view() const {
  RaceView view;
  view.cluster = &*s_.view;
  view.config = &s_.dynamic;
  view.self = s_.name();
  view.tags = s_.tags;
  view.accepting = accepting();
  view.in_recovery = s_.facts->in_recovery;
  view.position = s_.facts->position();
  view.timeline = s_.facts->timeline;
  view.paused = s_.dynamic.pause;
  view.watchdog_trouble = watchdog_trouble();
  view.disk = s_.disk_level;
  if (s_.leaderless_since) view.leaderless = now_ - *s_.leaderless_since;
  if (heartbeat_of_leader() != nullptr && now_ > may_take_over_at())
    view.leaderless = now_ - may_take_over_at();
  if (lock_is_void()) view.leaderless = now_ - spoiled_lock_ends();
  return view;
}

void Core::decide_race() {
  if (promised_away()) {
    s_.poll.reset();
    wake_at(s_.promise.until);
    return result(fmt::format("following {}: it leads in failsafe mode", s_.promise.to));
  }
  if (!s_.dcs_error.empty()) return result("DCS is not accessible");
  if (s_.lease == 0 || writing("acquire leader") || writing("release leader")) return;
  // Answers from before something that took its time say nothing about now.
  if (s_.poll && now_ - s_.poll->since > s_.timing.peer_timeout + seconds(1)) s_.poll.reset();
  if (s_.poll && s_.poll->why == Poll::Why::race) return conclude_race();
  if (now_ < s_.no_race_before) return wake_at(s_.no_race_before);
  const auto& initialize = s_.view->initialize;
  if (!initialize || initialize->empty()) {
    // Somebody else makes the cluster, or nobody did: a running primary registers its own identity
    // (§8.12).
    if (initialize && s_.initialize_unsettled && !writing("give up bootstrap") &&
        s_.bootstrap_backoff.may_try(now_)) {  // it may be the claim that this node gave up
      s_.bootstrap_backoff.failed(now_, milliseconds(500), seconds(5));
      release_initialize();
    }
    if (initialize) return result("waiting for leader to bootstrap");
    if (s_.facts->in_recovery && !s_.data_was_primary && !in_standby_cluster()) {
      return give_up(
          "this replica belongs to a cluster that the store does not know (no initialize key)",
          "hint: start the node that was the primary first");
    }
  }
  if (in_standby_cluster() && is_primary() && !s_.dynamic.pause)
    return lose_leadership("this is a standby cluster, and PostgreSQL is a primary here");
  if (data_before_restore())
    return result("not promoting: my data is from before the restore of the cluster");
  const RaceVerdict verdict = may_stand(race_view());
  if (!verdict.stand) {
    // A primary that may not lead must not go on writing, whatever its lease page says.
    if (is_primary() && !s_.dynamic.pause) return lose_leadership(verdict.text);
    return result(verdict.text);
  }
  if (!s_.race_backoff.may_try(now_)) return wake_at(s_.race_backoff.not_before);
  // Without one nothing comes of asking (SIMULATION, seed 3087: it was asked again and again).
  if (!lease_is_fresh()) return result("waiting for a fresh lease before taking the lock");

  begin_succession();
  emit(ProbePg{});
  ask_members(Poll::Why::race);
  conclude_race();
}

void Core::ask_members(Poll::Why why, const std::string& only) {
  Poll poll{
      .round = next_id_++, .why = why, .since = now_, .sync_revision = s_.view->sync.mod_revision};
  AskPeers ask{.round = poll.round, .timeout = s_.timing.peer_timeout};
  for (const auto& [name, member] : s_.view->members) {
    if (name == s_.name() || member.api_url.empty()) continue;
    if (!only.empty() && name != only) continue;
    poll.asked[name] = false;
    ask.peers.push_back({name, member.api_url});
  }
  s_.poll = std::move(poll);
  if (!ask.peers.empty()) emit(std::move(ask));
}

void Core::conclude_race() {
  // Whoever took the lock since wrote the key anew (claim_sync): what those who vote had before
  // says nothing of what it acknowledged (quorum_scenario_test:
  // votes_from_before_another_leadership_…).
  if (s_.poll->sync_revision != s_.view->sync.mod_revision) {
    s_.poll.reset();
    return decide_race();
  }
  // The former leader is fenced: its guard killed the server before the lock could be free. So its
  // silence is not worth waiting for; a Patroni has no guard and gets the full time (§8.1).
  bool complete = true;
  for (const auto& [name, answered] : s_.poll->asked) {
    if (answered) continue;
    const model::Member* member = s_.view->member(name);
    const bool was_leader = member != nullptr && member->role == model::Role::primary;
    const bool guarded = member != nullptr && !member->aurum_version.empty();
    const Duration patience =
        was_leader && guarded ? s_.timing.former_leader_patience : s_.timing.peer_timeout;
    if (now_ - s_.poll->since >= patience) continue;
    complete = false;
    wake_at(s_.poll->since + patience);
  }
  if (!complete) return;
  // What this node had a moment ago is no match for what the others have now: all of them would
  // wait for each other, or one be promoted without what another has.
  if (s_.answered_at < s_.poll->since) return;
  if (now_ < may_take_over_at()) return wake_at(may_take_over_at());
  const PeerAnswers answers = s_.poll->answers;
  note_positions(*s_.poll);
  s_.poll.reset();
  // The store has gone on while the peers were asked. Who may stand is judged anew by the view that
  // the lock is then taken by: `sync` may name others now (sync_scenario_test:
  // a_race_is_judged_by_what_is_known_at_its_end).
  if (const auto still = may_stand(race_view()); !still.stand) return result(still.text);
  const RaceVerdict verdict = judge_race(race_view(), answers);
  if (!verdict.stand) {
    s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
    return result(verdict.text);
  }
  if (may_have_promised() && !all_follow(answers)) {
    s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
    return result("not promoting yet: before its restart this agent may have promised to wait");
  }
  acquire("healthiest member", true);
}

Instant Core::lease_end() const { return s_.lease_sent_at + valid_for(s_.lease_ttl); }

bool Core::lease_is_fresh() const { return lease_end() > now_ + milliseconds(100); }

void Core::acquire(const std::string& why, bool all_follow) {
  if (promised_away() || (!all_follow && may_have_promised()))
    return result("waiting: another member may lead in failsafe mode");
  if (!lease_is_fresh()) {
    return result("waiting for a fresh lease before taking the lock");
  }
  info("race", fmt::format("taking the leader lock ({})", why));
  s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
  model::Txn txn{.then = {{.key = "leader", .value = s_.name(), .lease = s_.lease}}};
  claim_lock(txn);
  if (!s_.view->initialize) claim_identity(txn);
  s_.drop_request = true;
  require_same_restore(txn);
  claim_failsafe(txn);
  claim_maintenance(txn);
  if (const auto& left = s_.view->maintenance; left && left->name != s_.name())
    txn.then.push_back({.what = model::Write::What::erase, .key = txn.when.back().key});
  claim_sync(txn);
  claim_config(txn);
  if (!is_primary() && !standby_asked_) claim_timeline(txn);
  leader_lease_asked_ = s_.lease;
  write("acquire leader", std::move(txn));
}

/// Nobody has it, or it is nobody's, or whoever has it is silent and still is when this arrives.
void Core::claim_lock(model::Txn& txn) const {
  const model::Heartbeat* last = heartbeat_of_leader();
  const bool there = last != nullptr || lock_is_void();
  txn.when.push_back(model::unchanged("leader", there ? s_.view->leader->mod_revision : 0));
  if (last != nullptr)
    txn.when.push_back(model::unchanged(std::string(model::kHeartbeatKey), last->mod_revision));
}

/// Adoption of a cluster that the store does not know: its identity in the same breath, so that
/// nobody makes another one meanwhile.
void Core::claim_identity(model::Txn& txn) {
  const bool claimed = s_.view->initialize.has_value();  // by ourselves: the lock is the founder's
  txn.when.push_back(
      {.key = "initialize", .what = claimed ? Compare::What::value : Compare::What::absent});
  txn.then.push_back({.key = "initialize", .value = s_.facts->system_identifier});
}

/// What is known of a server that a pause left writable must not be old. In a pause the key is
/// ours in the same breath as the lock, so that the page never has to name a deadline.
void Core::claim_maintenance(model::Txn& txn) {
  const auto& left = s_.view->maintenance;
  const std::string key(model::kMaintenanceKey);
  txn.when.push_back(
      {.key = key, .what = Compare::What::mod_revision, .number = left ? left->mod_revision : 0});
  maintenance_asked_ = s_.dynamic.pause && is_primary();
  if (maintenance_asked_) txn.then.push_back({.key = key, .value = s_.name()});
}

void Core::claim_sync(model::Txn& txn) {
  const model::SyncKey& sync = s_.view->sync;
  // What an earlier try read says nothing about this one (sync_scenario_test:
  // a_failed_promotion_gives_back_no_right_…).
  s_.former_sync.reset();
  // Whatever it says, what we know of it must not be old (sync_scenario_test: an_old_read_of_…).
  txn.when.push_back(
      {.key = "sync", .what = Compare::What::mod_revision, .number = sync.mod_revision});
  if (sync.leader.empty()) return;
  if (s_.dynamic.synchronous_mode == model::SyncMode::off) {
    // Switched off, and its key is still there: nobody keeps its promise from now on.
    s_.sync_asked.clear();
    return txn.then.push_back({.what = model::Write::What::erase, .key = "sync"});
  }
  // In the same breath as the lock: from the first acknowledged commit on nobody else has all rows,
  // and a server that is about to be promoted waits for nobody yet. Also where it says so already:
  // votes that were given before are worth nothing from now on.
  s_.former_sync = sync;
  s_.sync_asked.clear();
  txn.then.push_back({.key = "sync", .value = model::encode_sync({.leader = s_.name()})});
}

void Core::claim_timeline(model::Txn& txn) {
  model::Timeline last = std::max(s_.view->timeline_given, s_.newest_timeline);
  if (!s_.view->history.empty()) last = std::max(last, s_.view->history.back().timeline + 1);
  for (const auto& [name, member] : s_.view->members)
    last = std::max(last, member.timeline.value_or(0));
  // Where nobody was ever promoted, and all are stopped, nothing else tells (restore_scenario_test:
  // an_undone_restore_leaves_its_timeline_to_what_was_restored).
  if (const auto& restore = s_.view->restore)
    last = std::max({last, restore->timeline, restore->opened});
  timeline_asked_ = last + 1;
  const model::Revision seen = s_.view->timeline_given_revision;
  txn.when.push_back(
      {.key = "aurum_timeline", .what = Compare::What::mod_revision, .number = seen});
  txn.then.push_back({.key = "aurum_timeline", .value = std::to_string(timeline_asked_)});
}

void Core::reclaim() {
  if (s_.lease == 0 || writing("reclaim leader") || writing("release leader")) return;
  // The watch may show our own write before its answer comes.
  if (writing("acquire leader") || writing("found cluster")) return;
  if (!s_.dcs_error.empty()) return result("DCS is not accessible");
  if (promised_away() || may_have_promised())
    return result("the leader lock is mine; waiting: another member may lead in failsafe mode");
  if (!s_.race_backoff.may_try(now_)) return wake_at(s_.race_backoff.not_before);
  if (now_ < s_.no_race_before) {  // given up on purpose, but the release got lost
    s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
    return release_leader("again: the key still bears my name");
  }
  if (!lease_is_fresh()) return;
  // Asked for before this standby's host failed, and it has less now (SIMULATION, seed 834312). A
  // restore says itself who leads, with less.
  const bool standby = accepting() && s_.facts->in_recovery;
  if (standby && !s_.dynamic.pause && !s_.view->restore) {
    const RaceVerdict verdict = may_stand(race_view());
    if (!verdict.stand) return release_leader(verdict.text);
  }
  // Our name, written by a former instance of this agent, or by a write of ours whose answer got
  // lost. Writing it anew gives this instance an epoch of its own, so that late renewals of the
  // former one fail their compare.
  s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
  info("reclaim", "the leader lock is mine: renewing it under a new epoch");
  bind_leader_to_lease();
}

void Core::bind_leader_to_lease() {
  leader_lease_asked_ = s_.lease;
  model::Txn txn{.when = {model::unchanged("leader", s_.view->leader->mod_revision)},
                 .then = {{.key = "leader", .value = s_.name(), .lease = s_.lease}}};
  if (!lock_is_spoiled())
    txn.when.push_back({.key = "leader", .what = Compare::What::value, .text = s_.name()});
  require_same_restore(txn);
  claim_maintenance(txn);
  claim_config(txn);
  // Of a cluster that the store does not know its identity goes with the lock, as in acquire().
  const bool unknown = s_.view->initialize.value_or("").empty() && !s_.bootstrapping;
  if (unknown && !s_.facts->founding && !s_.facts->system_identifier.empty()) claim_identity(txn);
  // A primary goes on with the standbys it has, if our idea of them is not old (sync_scenario_test:
  // an_old_read_of_the_key_…). A standby that will be promoted waits for nobody, and a server that
  // says nothing may be one.
  const bool known = s_.facts->control.has_value() && !s_.end_unseen;
  // The data that an undone restore takes back is a primary's, and is promoted all the same
  // (restore_scenario_test: a_keeper_that_loses_its_host_before_…).
  const bool taken_back = s_.view->restore && s_.view->restore->step == model::RestoreStep::undo;
  const bool primary = running() ? is_primary() : known && !data_in_recovery() && !taken_back;
  if (primary) {
    txn.when.push_back(
        {.key = "sync", .what = Compare::What::mod_revision, .number = s_.view->sync.mod_revision});
  } else {
    claim_sync(txn);
    if (!standby_asked_) claim_timeline(txn);
  }
  // The page may allow more by the lease that the lock hangs on now than this one can warrant, be
  // it of a former agent and a longer ttl: so it gives way first. And it is not moved again before
  // the answer: this write may land at any moment (live_changes_scenario_test: a_lock_moved_to_…,
  // a_late_move_of_the_lock_…).
  const Instant end = lease_end();
  if (s_.lead.held) {
    s_.lead.moving = true;
    s_.lead.deadline = std::min(s_.lead.deadline, end);
    emit(StopRenewing{});
  }
  emit(ShortenLeasePage{end});
  if (s_.view->heartbeat)  // says nothing of the new epoch
    txn.then.push_back(
        {.what = model::Write::What::erase, .key = std::string(model::kHeartbeatKey)});
  write("reclaim leader", std::move(txn));
}

void Core::become_leader(std::uint64_t epoch) {
  const bool again = s_.lead.held;  // bound to another lease: nothing else changed
  const Instant since = again ? s_.lead.since : now_;
  const Duration span = valid_for(s_.lease_ttl);
  // While a job goes on, what was seen last is from before it: a primary may come back as a
  // standby, and its data must never be opened for writing unpromoted (SIMULATION, seed 496853).
  const bool promoted = again ? s_.lead.promoted : is_primary() && !s_.job;
  // What was asked for is in the store: it was written by this very configuration. A server that
  // may be writable, or on its way there, is stopped before the page stops naming a deadline.
  const bool standby = standby_asked_ && (again ? s_.lead.standby : !is_primary() && !s_.job);
  const bool requested =
      again ? s_.lead.taken_on_request
            : s_.view && s_.view->failover && s_.view->failover->candidate == s_.name();
  s_.lead = Leadership{.held = true,
                       .epoch = epoch,
                       .created = s_.view && s_.view->leader ? s_.view->leader->create_revision
                                                             : static_cast<model::Revision>(epoch),
                       .lease = leader_lease_asked_,
                       .valid_for = span,
                       .renewed_until = lease_end(),
                       .deadline = std::max(lease_end(), again ? s_.lead.consent.until : Instant{}),
                       .since = since,
                       .promoted = promoted,
                       .taken_on_request = requested,
                       .consent = again ? s_.lead.consent : Consent{},
                       .standby = standby};
  if (!again) {
    s_.demoting = false;
    if (s_.succession) s_.succession->acquired = now_;
  }
  s_.race_backoff.reset();
  s_.poll.reset();
  if (s_.view) {
    const auto revision = static_cast<model::Revision>(epoch);
    const auto created = s_.view->leader ? s_.view->leader->create_revision : revision;
    see_leader(model::Leader{s_.name(), s_.lead.lease, created, revision});
  }
  // The page before anything that could make the server writable.
  const bool maintenance = maintenance_asked_ && s_.dynamic.pause && is_primary();
  if (!standby)
    set_page(maintenance ? PageState::maintenance : PageState::leased, epoch, s_.lead.deadline);
  else if (!s_.adopted)
    set_page(PageState::idle, epoch, s_.lead.deadline);
  s_.lead.proof_asked = Duration(-1);
  keep_renewing();
  if (!standby) arm_watchdog();
}

}  // namespace aurum::core
