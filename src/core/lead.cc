// The leader's work while all is well, and its promotion.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/core.h"
#include "core/slots.h"
#include "core/switchover.h"
#include "core/sync_standbys.h"

namespace aurum::core {

using model::Compare;
using model::SyncMode;
using model::Write;

/// A write that only the leader may make. By epoch, not by name: a late write of this member's
/// former agent must fail (sync_scenario_test: a_late_write_of_the_key_by_a_former_agent_…).
model::Txn Core::as_leader(std::vector<Write> then) const {
  return {.when = {{.key = "leader",
                    .what = Compare::What::mod_revision,
                    .number = static_cast<model::Revision>(s_.lead.epoch)}},
          .then = std::move(then)};
}

/// A server that is being promoted, started or stopped can prove nothing; those jobs have time
/// limits of their own.
bool Core::settled() const {
  return (s_.lead.promoted || s_.lead.standby) && !s_.job && running() && !s_.demoting;
}

void Core::keep_renewing() {
  if (!s_.lead.held || s_.lead.moving || s_.lead.keyless) return;
  const Duration proof = settled() ? s_.timing.proof_max_age : Duration{0};
  const auto rate = s_.lead.beat ? std::nullopt : beat_wanted();
  std::optional<Instant> at_most;
  if (rate) at_most = begin_beating(*rate);
  if (proof == s_.lead.proof_asked && !rate) return;
  s_.lead.proof_asked = proof;
  // The lease may be an older and shorter one than the present ttl asks for.
  const Duration interval = std::min<Duration>(s_.timing.renew_interval, s_.lead.valid_for / 4);
  emit(StartRenewing{s_.lead.epoch, s_.lead.lease, s_.lead.valid_for, interval, proof, s_.lead.beat,
                     at_most});
}

model::PgTarget Core::primary_target() const {
  model::PgTarget target;
  target.primary = true;
  // Start from what the key promises: nothing less may be acknowledged than it says. Also when the
  // mode was switched off a moment ago: the key goes first (sync_scenario_test).
  const bool mine = s_.view && s_.view->sync.leader == s_.name();
  if (s_.dynamic.synchronous_mode == SyncMode::off && !mine) return target;
  std::vector<std::string> names = mine ? s_.view->sync.members : std::vector<std::string>{};
  // A write of the key that is under way, or was not answered, may come true at any moment.
  for (const std::string& name : s_.sync_asked) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  const bool strict = s_.dynamic.synchronous_mode_strict;
  if (s_.applied && s_.applied->primary && s_.applied->synchronous_standby_names) {
    target.synchronous_standby_names = s_.applied->synchronous_standby_names;
  } else if (s_.dynamic.synchronous_mode == SyncMode::quorum) {
    // All of them, unless the key is sure to say what it says.
    const int quorum = mine && s_.sync_asked.empty() ? s_.view->sync.quorum : 0;
    const int needed = std::max(1, static_cast<int>(names.size()) - quorum);
    target.synchronous_standby_names = render_quorum({names, needed}, strict);
  } else {
    target.synchronous_standby_names = render_sync_names(names, strict);
  }
  return target;
}

bool Core::may_take_anew() const {
  return s_.lease != 0 && s_.dcs_error.empty() && lease_is_fresh() && may_write("reclaim leader") &&
         leader_key_is_mine();
}

/// A new lease (the old one is too short or too long now), or other heartbeats: the lock is taken
/// anew with it. Also where that was asked for and is not wanted any more: until the lock is
/// written anew it may hang on either, and is not renewed (heartbeat_scenario_test:
/// a_change_that_is_…).
void Core::move_to_new_lease() {
  const bool wanted = s_.lease != s_.lead.lease || beats_otherwise();
  if ((wanted || s_.lead.moving) && may_take_anew()) bind_leader_to_lease();
}

void Core::decide_lead() {
  // Nobody is promoted by consent: who asks whether this node follows would be told yes.
  if (s_.facts->in_recovery && now_ >= s_.lead.renewed_until)
    return lose_leadership("PostgreSQL is a standby, and the lock was not renewed");
  if (s_.lead.keyless) return regain_lock();
  if (s_.lead.standby || in_standby_cluster()) return lead_standby();
  keep_renewing();
  move_to_new_lease();
  s_.lead.promoted = !s_.facts->in_recovery;  // restarted as a standby it is none, whatever it was
  if (s_.facts->in_recovery) return promote();
  s_.parked.clear();
  s_.former_sync.reset();
  if (s_.checkpoint_pending && !side_running<Checkpoint>()) start_side(Checkpoint{});
  if (const std::string trouble = watchdog_trouble(); !trouble.empty())
    return demote_gracefully(trouble);
  lead_store();
  tell_succession();
  lead_failsafe_map();
  free_restarted();
  lead_sync();
  if (s_.job) return;
  hand_over_to_room();
  lead_failover_request();
  if (s_.job) return;
  lead_slots();
  result(fmt::format("no action. I am ({}), the leader with the lock", s_.name()));
}

/// A standby that is promoted waits for nobody yet, so by then the key must promise nothing. As a
/// rule that was written together with the lock. Not so where the server was a primary when the
/// lock was asked for (sync_scenario_test: a_server_started_as_a_standby_while_…).
bool Core::sync_claimed() {
  const model::SyncKey& key = s_.view->sync;
  if (s_.former_sync || key.leader != s_.name() || key.members.empty()) return true;
  result("waiting for the sync key to say that I alone have every acknowledged commit");
  if (may_write("sync")) write_sync_key(model::SyncKey{.leader = s_.name()});
  return false;
}

void Core::promote() {
  if (!sync_claimed()) return;
  if (!watched()) return;
  if (!s_.promote_backoff.may_try(now_)) return wake_at(s_.promote_backoff.not_before);
  info("promote", fmt::format("promoting: {} has the leader lock (epoch {}), wal position {}",
                              s_.name(), s_.lead.epoch, to_string(s_.facts->position())));
  start_job(Promote{timeline_asked_ - 1});
}

void Core::lead_store() {
  const model::ClusterView& view = *s_.view;
  if ((!view.initialize || *view.initialize != s_.facts->system_identifier) &&
      !s_.facts->system_identifier.empty() && may_write("system identifier")) {
    write("system identifier",
          as_leader({{.key = "initialize", .value = s_.facts->system_identifier}}));
  }
  if (view.config.is_null() && !s_.dynamic_tree.is_null() && may_write("config")) {
    model::Txn txn = as_leader({{.key = "config", .value = model::to_json(s_.dynamic_tree)}});
    // Absent, or damaged and not mended by an operator meanwhile.
    txn.when.push_back({.key = "config",
                        .what = model::Compare::What::mod_revision,
                        .number = view.config_revision});
    write("config", std::move(txn));
  }
  const model::Timeline timeline = s_.facts->timeline;
  // Numbers of promotions that failed are missing: then only the file tells what came before
  // (failover_scenario_test: a_gap_in_the_timelines_…).
  const model::Timeline former =
      history_read_ && history_read_->first == timeline ? history_read_->second : timeline - 1;
  const bool history_known = timeline <= 1
                                 ? view.history.empty()
                                 : !view.history.empty() && view.history.back().timeline == former;
  // Of a standby cluster the history is the remote's to write.
  if (!history_known && !s_.lead.standby && timeline != 0 && !side_running<ReadHistory>() &&
      may_write("history")) {
    if (timeline <= 1)
      write("history", as_leader({{.key = "history", .value = "[]"}}));
    else
      start_side(ReadHistory{timeline});
  }
  if (now_ - status_at_ >= s_.timing.loop_wait && may_write("status")) {
    const model::ClusterStatus status = leader_status(*s_.facts, s_.name(), retained_members());
    if (!(status == view.status)) {
      status_at_ = now_;
      write("status", as_leader({{.key = "status", .value = model::encode_status(status)}}));
    }
  }
}

void Core::lead_sync() {
  if (!may_write("sync") || s_.job) return;
  if (s_.sync_unsettled) {
    // Written anew as it stands: after that, what is still on its way fails its compare.
    if (!s_.view->sync.mod_revision) {
      s_.sync_unsettled = false;
    } else {
      return write_sync_key(s_.view->sync);
    }
  }
  SyncView view{.cluster = &*s_.view,
                .config = &s_.dynamic,
                .facts = &*s_.facts,
                .self = s_.name(),
                .setting_since = s_.sync_setting_since};
  if (view.setting_since == model::Lsn{}) view.setting_since.reset();
  const SyncStep step = plan_sync(view);
  if (step.what == SyncStep::What::none) {
    // Switched off: the user's own value comes back.
    if (s_.dynamic.synchronous_mode == SyncMode::off && s_.applied &&
        s_.applied->synchronous_standby_names) {
      model::PgTarget target = *s_.applied;
      target.synchronous_standby_names.reset();
      configure(target);
    }
    return;
  }
  if (step.what == SyncStep::What::set_names) {
    if (!s_.start_backoff.may_try(now_)) return;
    model::PgTarget target = primary_target();
    target.synchronous_standby_names = step.names;
    info("sync.names", step.reason);
    return configure(target);
  }
  info("sync.key", step.reason);
  write_sync_key(step.what == SyncStep::What::delete_key ? std::nullopt : std::optional(step.key));
}

void Core::write_sync_key(const std::optional<model::SyncKey>& key) {
  model::Txn txn = as_leader({});
  txn.when.push_back(model::unchanged("sync", s_.view->sync.mod_revision));
  if (key)
    txn.then.push_back({.key = "sync", .value = model::encode_sync(*key)});
  else
    txn.then.push_back({.what = Write::What::erase, .key = "sync"});
  // One that got no answer may be what the key says now; it counts until a later one is answered
  // (sync_scenario_test: every_write_of_the_key_that_got_no_answer_…).
  if (!s_.sync_unsettled) s_.sync_asked.clear();
  if (key) s_.sync_asked.insert(s_.sync_asked.end(), key->members.begin(), key->members.end());
  write("sync", std::move(txn));
}

void Core::lead_failover_request() {
  const bool fresh_lead = std::exchange(s_.drop_request, false);
  if (!s_.view->failover || s_.view->failover->is_empty() || !may_write("failover request")) {
    s_.drop_request = fresh_lead && s_.view->failover && !s_.view->failover->is_empty();
    return;
  }
  const model::FailoverRequest& request = *s_.view->failover;
  if (fresh_lead && request.scheduled_at.empty()) {
    // It was for whoever led before; carried out once more it would go round and round.
    info("failover.drop", "Cleaning up failover key after acquiring leader lock...");
    return write_failover_key({});
  }
  if (s_.poll && s_.poll->why == Poll::Why::switchover) return conclude_switchover();
  const RequestVerdict verdict = check_request(request, s_.name(), wall_, s_.dynamic.pause);
  switch (verdict.what) {
    case RequestVerdict::What::wait:
      return wake_at(now_ + std::min<Duration>(verdict.wait, s_.timing.loop_wait));
    case RequestVerdict::What::drop:
      info("failover.drop", verdict.reason);
      return write_failover_key({});
    case RequestVerdict::What::due: {
      model::FailoverRequest now_due = request;
      now_due.scheduled_at.clear();
      info("failover.due", "the scheduled switchover is due");
      return write_failover_key(now_due);
    }
    case RequestVerdict::What::go:
      break;
  }
  ask_members(Poll::Why::switchover, request.candidate);
  conclude_switchover();
}

void Core::conclude_switchover() {
  const Instant until = s_.poll->since + s_.timing.peer_timeout;
  if (s_.poll->open() && now_ < until) return wake_at(until);
  const PeerAnswers answers = s_.poll->answers;
  s_.poll.reset();
  const model::FailoverRequest& request = *s_.view->failover;
  const auto successors = possible_successors(race_view(), answers, request.leader.empty());
  if (successors.empty()) {
    warn("switchover.refused",
         fmt::format("no healthy candidate for the request{}{}",
                     request.candidate.empty() ? "" : ": ", request.candidate));
    return write_failover_key({});
  }
  demote_gracefully(fmt::format("switchover to {}",
                                request.candidate.empty() ? "any of them" : request.candidate));
}

void Core::write_failover_key(const model::FailoverRequest& request) {
  const model::Revision seen = s_.view->failover ? s_.view->failover->mod_revision : 0;
  write("failover request",
        {.when = {{.key = "failover", .what = Compare::What::mod_revision, .number = seen}},
         .then = {{.key = "failover", .value = model::encode_failover(request)}}});
}

std::vector<std::string> Core::retained_members() const {
  std::vector<std::string> names;
  const Duration ttl = seconds(s_.dynamic.member_slots_ttl_s);
  for (const auto& [name, seen] : member_seen_) {
    const model::Member* member = s_.view->member(name);
    const bool here = member != nullptr && !model::tag_nostream(*member);
    if (name != s_.name() && (here || (member == nullptr && now_ - seen < ttl)))
      names.push_back(name);
  }
  return names;
}

void Core::lead_slots() {
  if (!slots_due_ || side_running<ChangeSlots>() || s_.job || now_ < slots_at_) return;
  SlotView view{.facts = &*s_.facts,
                .config = &s_.dynamic,
                .self = s_.name(),
                .primary = !s_.lead.standby,
                .keep_unknown = s_.dynamic.pause};
  // Without use_slots nobody streams from one: what is left of them would only hold WAL.
  if (s_.dynamic.use_slots) view.members = retained_members();
  ChangeSlots change = plan_slots(view);
  slots_due_ = !change.empty();
  if (!slots_due_) return;
  slots_at_ = now_ + milliseconds(500);
  start_side(std::move(change));
}

std::vector<std::string> Core::slots_kept_for() const {
  if (!s_.dynamic.use_slots) return {};
  // What may become the leader keeps the WAL of all others; any node that of its own cascade.
  const bool for_all = s_.dynamic.member_slots_ttl_s != 0 && !model::tag_nofailover(self_);
  std::vector<std::string> names;
  for (const auto& name : retained_members()) {
    const model::Member* member = s_.view->member(name);
    const bool cascade = member != nullptr && model::tag_replicatefrom(*member) == s_.name();
    if (cascade || (for_all && name != s_.view->leader_name())) names.push_back(name);
  }
  return names;
}

/// Those that a promotion would lose: this standby gets them by a restart.
bool Core::copy_logical_slots(const SlotView& view) {
  const auto missing = missing_logical_slots(view);
  const bool fit = s_.applied && s_.applied->hot_standby_feedback &&
                   !s_.applied->slot_name.empty() && s_.facts->replication_state == "streaming";
  if (missing.empty() || !fit || s_.dynamic.pause || in_standby_cluster()) return false;
  if (!s_.copy_backoff.may_try(now_)) return false;
  const auto leader = upstream_of(s_.view->leader_name());
  if (!leader || s_.view->leader_name() != s_.applied->upstream->name) return false;
  start_job(CopySlots{*leader, missing, *s_.applied, start_limit()});
  return true;
}

void Core::replica_slots() {
  if (!slots_due_ || side_running<ChangeSlots>() || s_.job || now_ < slots_at_) return;
  // Without the store the leader tells where its slots are when it asks for a promise.
  const bool told = !s_.dcs_error.empty() && s_.promise.to == s_.view->leader_name() &&
                    now_ < s_.promise.until && !s_.promise.slots.empty();
  SlotView view{.facts = &*s_.facts,
                .config = &s_.dynamic,
                .self = s_.name(),
                .primary = false,
                .members = slots_kept_for(),
                .keep_unknown = s_.dynamic.pause,
                .nostream = model::tag_nostream(self_),
                .leader_slots = told ? &s_.promise.slots : &s_.view->status.slots};
  if (copy_logical_slots(view)) return;
  ChangeSlots change = plan_slots(view);
  slots_due_ = !change.empty();
  if (!slots_due_) return;
  slots_at_ = now_ + s_.timing.loop_wait;
  start_side(std::move(change));
}

}  // namespace aurum::core
