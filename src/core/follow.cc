// A replica and its leader: follow, or get back to where following is possible.

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

namespace {

/// A replica that was found fit to stream, and does not, is checked anew this often.
constexpr Duration kLookAgain = seconds(10);
/// A standby's directory is started without knowing the leader's history after so many questions.
constexpr int kInspectTries = 3;

}  // namespace

std::optional<model::Upstream> Core::upstream_of(const std::string& member) const {
  const model::Member* m = s_.view ? s_.view->member(member) : nullptr;
  if (m == nullptr) return std::nullopt;
  const auto address = model::parse_url_host(m->conn_url);
  if (!address) return std::nullopt;
  return model::Upstream{m->name, address->host, address->port != 0 ? address->port : 5432};
}

std::optional<model::Upstream> Core::wanted_upstream() const {
  if (s_.lead.standby) return followed();
  if (!s_.view || !s_.view->leader || s_.view->leader->name == s_.name()) return std::nullopt;
  const std::string from = model::tag_replicatefrom(self_);
  if (!from.empty() && from != s_.name()) {
    const model::Member* member = s_.view->member(from);
    if (member != nullptr && member->state == model::PgState::running) return upstream_of(from);
  }
  return upstream_of(s_.view->leader->name);
}

model::PgTarget Core::replica_target(const std::optional<model::Upstream>& upstream) const {
  model::PgTarget target;
  target.upstream = upstream;
  if (model::tag_nostream(self_)) target.upstream.reset();
  if (s_.dynamic.use_slots && target.upstream) target.slot_name = model::slot_name(s_.name());
  if (in_standby_cluster() && target.upstream && target.upstream->name.empty())
    target.slot_name = s_.dynamic.standby_cluster->primary_slot_name;
  // What a logical slot needs of the leader's catalogs, also one of a member behind this one.
  target.hot_standby_feedback = target.upstream && has_logical_slots(s_.dynamic);
  // In a synchronous cluster a promoted node must not start with somebody's old list, nor with the
  // user's own.
  if (s_.dynamic.synchronous_mode != model::SyncMode::off) {
    target.synchronous_standby_names = s_.dynamic.synchronous_mode_strict ? "*" : "";
  }
  return target;
}

/// As far as the store tells; 0 when it does not. Of a remote primary nothing tells but its WAL.
model::Timeline Core::leader_timeline() const {
  if (s_.lead.standby) return s_.facts->timeline;
  const model::Member* leader = s_.view->leader_member();
  const model::Timeline own = leader != nullptr ? leader->timeline.value_or(0) : 0;
  return std::max(own, s_.view->history.empty() ? 0 : s_.view->history.back().timeline + 1);
}

void Core::decide_follow() {
  if (!s_.lead.held) s_.succession.reset();
  const auto upstream = wanted_upstream();
  const auto source = followed();
  if (!upstream || !source) return result("waiting for the address of " + followed_text());
  if (!s_.lead.standby) tell_standby_role();
  const bool same_leader = s_.rejoin_leader == source->name;
  const bool streaming = s_.facts->replication_state == "streaming";
  const bool on_target =
      s_.applied && s_.applied->upstream == *upstream && s_.facts->timeline >= leader_timeline();
  // Streaming from the leader on an older timeline proves nothing: a diverged standby is served up
  // to the fork again and again. On its own one it can be served too, and not be able to replay it.
  if (streaming && on_target) {
    s_.rejoin_checked = true;
    s_.rejoin_leader = source->name;
    s_.parked.clear();
    s_.not_streaming_since.reset();
    if (!proved() && prove()) return decide_rejoin(*upstream);
    // use_slots or the synchronous mode changed: only what is written about us does.
    const model::PgTarget wanted = replica_target(upstream);
    if (s_.applied != wanted && s_.start_backoff.may_try(now_)) {
      info("follow", "taking over what the configuration changed for a secondary");
      return configure(wanted);
    }
    if (s_.lead.standby) return lead_as_standby();
    warm_up();
    replica_slots();
    return result(fmt::format("no action. I am ({}), a secondary, and following a {} ({})",
                              s_.name(), in_standby_cluster() ? "standby leader" : "leader",
                              s_.view->leader->name));
  }
  // What was ruled out may have changed without our seeing it (F31): look again now and then.
  if (!s_.not_streaming_since) s_.not_streaming_since = now_;
  if (now_ - *s_.not_streaming_since >= kLookAgain) {
    s_.not_streaming_since = now_;
    s_.rejoin_checked = false;
  }
  const bool asked = !source->host.empty();  // an archive tells nothing
  if (asked && (!s_.rejoin_checked || !same_leader)) return decide_rejoin(*upstream);
  const model::PgTarget target = replica_target(upstream);
  if (s_.applied != target) {
    if (s_.start_backoff.may_try(now_)) {
      info("follow",
           fmt::format("following {} ({}:{})", upstream->name.empty() ? "remote" : upstream->name,
                       upstream->host, upstream->port));
      configure(target);
    }
    return;
  }
  if (!asked) return lead_as_standby();
  if (!s_.lead.standby) replica_slots();
  result(fmt::format(
      "following {}, {}", followed_text(),
      s_.facts->replication_state.empty() ? "not streaming yet" : s_.facts->replication_state));
}

/// The candidate of a switchover writes a restartpoint while the leader writes its checkpoint: the
/// less is left to be written when it opens, and to be replayed should it crash then.
void Core::warm_up() {
  const auto& request = s_.view->failover;
  const bool named = request && request->candidate == s_.name() && request->scheduled_at.empty();
  if (!named || s_.warmed_for == request->mod_revision || side_running<Checkpoint>()) return;
  s_.warmed_for = request->mod_revision;
  info("warm", "I am the candidate of a switchover: writing a restartpoint ahead of it");
  start_side(Checkpoint{.ahead = true});
}

/// Whether this standby itself told that it replays the leader's timeline. PostgreSQL may have
/// replayed another one's WAL past the fork, when its archive or pg_wal had that and not the new
/// one's; it receives then what it can not replay, and as a leader would have lost all of it
/// (a_standby_that_is_served_what_it_can_not_replay_is_rewound).
bool Core::proved() const {
  return s_.proof.run == s_.facts->postmaster_start_time &&
         s_.proof.timeline >= std::max<model::Timeline>(leader_timeline(), 1);
}

/// Asks, beside everything else. True: the answer is here.
bool Core::prove() {
  const auto source = followed();
  if (!source) return false;
  const bool mine = s_.inspected_of.own_run == s_.facts->postmaster_start_time;
  if (s_.inspected && s_.inspected_of.upstream.name == source->name && mine) return true;
  if (side_running<Inspect>()) return false;
  if (!s_.proof_backoff.may_try(now_)) {
    wake_at(s_.proof_backoff.not_before);
    return false;
  }
  s_.proof_backoff.failed(now_, seconds(1), seconds(60));
  start_side(Inspect{*source, s_.facts->postmaster_start_time});
  return false;
}

void Core::decide_rejoin(const model::Upstream& upstream) {
  // A node copied a moment ago, or checked against this very leader, needs no second look.
  const model::Upstream leader = followed().value_or(upstream);
  if (s_.rejoin_checked && s_.rejoin_leader == leader.name && !running()) return start_as_replica();
  auto end = local_end(*s_.facts);
  if (!end || leader.host.empty()) return start_as_replica();
  if (!s_.inspected || s_.inspected_of.upstream.name != leader.name) {
    // Recovering further on its own timeline can not make a standby diverge, and it serves reads.
    // One that does not start may have diverged: the leader is asked again before each further try
    // (restore_scenario_test: a_member_whose_old_data_does_not_start_looks_at_the_leader_again).
    const int tries = kInspectTries * (1 + s_.start_backoff.failures);
    // Nor can what was shut down cleanly: a cluster that was demoted waits for a remote that may be
    // promoted later, or be one of its own standbys yet.
    const bool harmless = !end->was_primary || (s_.lead.standby && end->clean);
    if (!running() && harmless && s_.inspect_backoff.failures >= tries) return start_as_replica();
    if (!s_.inspect_backoff.may_try(now_)) {
      wake_at(s_.inspect_backoff.not_before);
      return result(fmt::format("waiting for {} to tell how far it is", followed_text()));
    }
    const bool standby = accepting() && s_.facts->in_recovery;
    return start_job(Inspect{leader, standby ? s_.facts->postmaster_start_time : ""});
  }
  const model::UpstreamState state = s_.inspected->upstream;
  std::optional<model::Replayed> own;
  if (accepting() && s_.inspected_of.own_run == s_.facts->postmaster_start_time)
    own = s_.inspected->own;
  s_.inspected.reset();  // used once: it is old in a moment
  if (own) end = local_end(*s_.facts, own);
  if (state.in_recovery && !in_standby_cluster()) {
    s_.inspect_backoff.failed(now_, milliseconds(100), seconds(2));
    return result(fmt::format("waiting for {} to be promoted", leader.name));
  }
  const std::string& mine = s_.facts->system_identifier;
  if (s_.lead.standby && !mine.empty() && state.system_identifier != mine)
    return wrong_remote(state);
  if (!mine.empty() && state.system_identifier != mine) {
    return give_up(fmt::format("{} has another system identifier ({}) than this node ({})",
                               leader.name, state.system_identifier, mine));
  }
  const model::Member* member = s_.view->member(leader.name);
  RejoinFacts facts;
  facts.divergence = compare_histories(*end, state);
  // One of the standbys of a remote, or one that was ours before: what it has not got yet is no
  // reason to remove it here.
  if (s_.lead.standby && state.in_recovery && facts.divergence == Divergence::diverged &&
      state.timeline <= end->timeline) {
    s_.inspect_backoff.failed(now_, milliseconds(500), seconds(5));
    if (!running()) return start_as_replica();
    return result(
        fmt::format("waiting for {}: it is a standby itself, and behind", followed_text()));
  }
  facts.use_pg_rewind = s_.config.pg.use_pg_rewind.value_or(s_.dynamic.use_pg_rewind);
  facts.rewindable = end->rewindable;
  facts.upstream_checkpointed = member == nullptr || !member->checkpoint_after_promote_pending;
  facts.rewind_failures = s_.rewind_failures;
  facts.clean = end->clean;
  facts.recover_failures = s_.start_backoff.failures;
  facts.may_remove_data = true;  // ClearData moves it aside where there is room, see pg/
  if (own && own->timeline == state.timeline && facts.divergence == Divergence::none) {
    s_.proof = {s_.facts->postmaster_start_time, own->timeline};
    s_.proof_backoff.reset();
  }
  run_rejoin(plan_rejoin(facts), leader);
}

void Core::stop_to_rejoin(const std::string& what, const std::string& why) {
  info("rejoin.stop", fmt::format("stopping PostgreSQL for {}: {}", what, why));
  start_job(StopPg{model::StopMode::fast, seconds(60), false});
}

void Core::run_rejoin(const RejoinPlan& plan, const model::Upstream& leader) {
  const std::string from = followed_text();
  const bool removes = plan.step == RejoinStep::rewind || plan.step == RejoinStep::clone;
  if (removes && running() && s_.dynamic.pause) {
    s_.inspect_backoff.failed(now_, seconds(1), seconds(10));
    return result(fmt::format("left as it is until resumed, though it can not stream from {}: {}",
                              from, plan.reason));
  }
  // An agent that was started anew may read an old store. That its cluster is a standby, whose
  // leader is no primary, it believes after a write of its own: here may be rows that were
  // acknowledged since (standby_cluster_scenario_test: an_old_view_of_the_configuration_removes_…).
  const bool fresh = s_.first_write != 0 && view_has_our_writes();
  if (removes && in_standby_cluster() && !fresh) {
    s_.inspect_backoff.failed(now_, milliseconds(100), seconds(1));
    return result("waiting for the store to show what this agent wrote, before: " + plan.reason);
  }
  const bool known = s_.rejoin_checked && s_.rejoin_leader == leader.name;
  s_.rejoin_checked = plan.step == RejoinStep::stream;
  switch (plan.step) {
    case RejoinStep::stream:
      s_.rejoin_leader = leader.name;
      if (!known) info("rejoin.stream", fmt::format("streaming from {}: {}", from, plan.reason));
      if (!running())
        start_as_replica();
      else
        wake_at(now_);
      return;
    case RejoinStep::wait_for_checkpoint:
      s_.inspect_backoff.failed(now_, milliseconds(100), seconds(1));
      return result(fmt::format("waiting before pg_rewind: {}", plan.reason));
    case RejoinStep::recover:
      info("rejoin.recover", fmt::format("starting without an upstream: {}", plan.reason));
      return start_job(StartPg{replica_target(std::nullopt), start_limit()});
    case RejoinStep::rewind:
      if (running()) return stop_to_rejoin("pg_rewind", plan.reason);
      info("rejoin.rewind", fmt::format("running pg_rewind from {}: {}", from, plan.reason));
      return start_job(Rewind{leader});
    case RejoinStep::clone:
      if (running()) return stop_to_rejoin("a new copy", plan.reason);
      warn("rejoin.clone",
           fmt::format("copying the data directory anew from {}: {}", from, plan.reason));
      return start_job(ClearData{.why = plan.reason, .keep_aside = true});
    case RejoinStep::park:
      if (s_.parked != plan.reason) {
        note(Note::Level::error, "rejoin.parked",
             "can not rejoin: " + plan.reason + "; reinit this member");
      }
      s_.parked = plan.reason;
      s_.inspect_backoff.failed(now_, seconds(5), seconds(60));
      return;
  }
}

}  // namespace aurum::core
