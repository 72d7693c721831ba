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
  if (s_.leaderless_since) view.leaderless = now_ - *s_.leaderless_since;
  return view;
}

void Core::decide_race() {
  if (!s_.dcs_error.empty()) return result("DCS is not accessible");
  if (s_.lease == 0 || writing("acquire leader") || writing("release leader")) return;
  if (s_.poll && s_.poll->why == Poll::Why::race) return conclude_race();
  if (now_ < s_.no_race_before) return wake_at(s_.no_race_before);
  const auto& initialize = s_.view->initialize;
  if (!initialize || initialize->empty()) {
    // Somebody else makes the cluster, or nobody did: a running primary registers its own identity
    // (§8.12).
    if (initialize) return result("waiting for leader to bootstrap");
    if (s_.facts->in_recovery) {
      s_.parked =
          "this replica belongs to a cluster that the store does not know (no initialize key)";
      return emit(Exit{1, s_.parked + ". hint: start the node that was the primary first"});
    }
  }
  const RaceVerdict verdict = may_stand(race_view());
  if (!verdict.stand) return result(verdict.text);
  if (!s_.race_backoff.may_try(now_)) return wake_at(s_.race_backoff.not_before);

  Poll poll{.round = next_id_++, .why = Poll::Why::race, .since = now_};
  AskPeers ask{.round = poll.round, .timeout = s_.timing.peer_timeout};
  for (const auto& [name, member] : s_.view->members) {
    if (name == s_.name() || member.api_url.empty()) continue;
    poll.asked[name] = false;
    ask.peers.push_back({name, member.api_url});
  }
  s_.poll = std::move(poll);
  if (!ask.peers.empty()) emit(std::move(ask));
  conclude_race();
}

void Core::conclude_race() {
  // The former leader is fenced: its guard killed the server before the lock could be free. So its
  // silence is not worth waiting for; a Patroni has no guard and gets the full time (§8.1).
  const std::string former = s_.view->sync.leader;
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
  const PeerAnswers answers = s_.poll->answers;
  s_.poll.reset();
  const RaceVerdict verdict = judge_race(race_view(), answers);
  if (!verdict.stand) {
    s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
    return result(verdict.text);
  }
  acquire("healthiest member");
}

void Core::acquire(const std::string& why) {
  if (s_.lease_sent_at + s_.timing.valid_for <= now_ + milliseconds(100)) {
    return result("waiting for a fresh lease before taking the lock");
  }
  info("race", fmt::format("taking the leader lock ({})", why));
  s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
  model::Txn txn{.when = {{.key = "leader"}},
                 .then = {{.key = "leader", .value = s_.name(), .lease = s_.lease}}};
  const model::SyncKey& sync = s_.view->sync;
  if (s_.dynamic.synchronous_mode != model::SyncMode::off && !sync.leader.empty() &&
      sync.leader != s_.name()) {
    // In the same breath: from the first acknowledged commit on, nobody else has all rows.
    s_.former_sync = sync;
    txn.when.push_back(
        {.key = "sync", .what = Compare::What::mod_revision, .number = sync.mod_revision});
    txn.then.push_back({.key = "sync", .value = model::encode_sync({.leader = s_.name()})});
  }
  write("acquire leader", std::move(txn));
}

void Core::reclaim() {
  if (s_.lease == 0 || writing("reclaim leader") || writing("release leader")) return;
  if (!s_.race_backoff.may_try(now_)) return wake_at(s_.race_backoff.not_before);
  const model::Leader& leader = *s_.view->leader;
  if (now_ < s_.no_race_before) return wake_at(s_.no_race_before);
  if (s_.lease_sent_at + s_.timing.valid_for <= now_ + milliseconds(100)) return;
  // Our name, written by a former instance of this agent, or by a write of ours whose answer got
  // lost. Writing it anew gives this instance an epoch of its own, so that late renewals of the
  // former one fail their compare.
  s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
  info("reclaim", "the leader lock is mine: renewing it under a new epoch");
  write("reclaim leader",
        {.when = {{.key = "leader", .what = Compare::What::value, .text = s_.name()},
                  {.key = "leader",
                   .what = Compare::What::mod_revision,
                   .number = leader.mod_revision}},
         .then = {{.key = "leader", .value = s_.name(), .lease = s_.lease}}});
}

void Core::become_leader(std::uint64_t epoch) {
  s_.lead = Leadership{.held = true,
                       .epoch = epoch,
                       .deadline = s_.lease_sent_at + s_.timing.valid_for,
                       .since = now_};
  s_.lead.promoted = is_primary();
  s_.demoting = false;
  s_.race_backoff.reset();
  s_.poll.reset();
  if (s_.view) {
    s_.view->leader = model::Leader{s_.name(), s_.lease, static_cast<model::Revision>(epoch),
                                    static_cast<model::Revision>(epoch)};
  }
  // The page before anything that could make the server writable.
  emit(SetLeasePage{PageState::leased, epoch, s_.lead.deadline});
  s_.lead.proof_asked = Duration(-1);
  keep_renewing();
}

}  // namespace aurum::core
