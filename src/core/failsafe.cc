// Failsafe mode: the store does not answer, and the leader asks every member to take no lock for a
// time (PATRONI_COMPAT §8.7, DESIGN §4 "Consent"; docs/decisions/0014).
//
// What must stay true:
//  - who may take the lock is in the `failsafe` map, and whoever is in the map as the leader knows
//    it was asked: the leader alone writes the map, by its epoch; a candidate's transaction
//    compares its revision; while a write of it has no answer, the members of both are asked
//    (failsafe_scenario_test: a_member_outside_the_map_…, a_map_under_way_…);
//  - the time that is won counts from when the question was sent, and is shorter than the promise
//    by all that two clocks may differ;
//  - a promise is kept whatever is read in the store, also when the lock bears this node's own name
//    by an answer that got lost; who has a take-over of its own under way does not promise;
//  - a promise lives in memory: an agent that was started a moment ago takes no lock before the
//    longest one could have run out, or every other member of the map says that it follows, or a
//    leader has written, with a revision of the store that it had seen by then and in which a write
//    of this agent is, that it lives by no promise and asks for none (unpromised_scenario_test).

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/core.h"
#include "core/slots.h"

namespace aurum::core {

using model::Write;

namespace {

/// A constant: whoever was restarted must know what it may have promised, also when ttl was lowered
/// since. A Patroni asks for its ttl.
constexpr Duration kLongestPromise = seconds(30);

Duration promise_of(Duration ttl) { return std::min<Duration>(ttl, kLongestPromise); }

/// Of a promise, by the clock of the one who asked: 1 % each for two clocks, and the margin in
/// which a guard kills.
Duration warranted(Duration promise) { return valid_for(promise) - promise / 100; }

}  // namespace

// ---------------------------------------------------------------------------------- the leader

bool Core::consented() const { return s_.lead.held && now_ < s_.lead.consent.until; }

/// The members who are asked when the store is away, as the store has them now.
void Core::lead_failsafe_map() {
  const auto& known = s_.view->failsafe;
  if (!known && !s_.dynamic.failsafe_mode) return;
  // Who is added now could take the lock and has promised nothing.
  if (now_ < s_.lead.consent.until || !may_write("failsafe")) return;
  const model::Revision seen = known ? known->mod_revision : 0;
  model::Txn txn = as_leader({});
  txn.when.push_back(model::unchanged("failsafe", seen));
  if (!s_.dynamic.failsafe_mode) {
    txn.then.push_back({.what = Write::What::erase, .key = "failsafe"});
    return void(write("failsafe", std::move(txn)));
  }
  model::FailsafeMap map;
  for (const auto& [name, member] : s_.view->members)
    if (!member.api_url.empty()) map.members[name] = member.api_url;
  map.members[s_.name()] = self_.api_url;
  const bool settled = s_.failsafe_asked.empty() || seen > s_.failsafe_asked_at;
  if (settled) s_.failsafe_asked.clear();
  if (settled && known && known->members == map.members) return;
  s_.failsafe_asked_at = seen;
  for (const auto& [name, url] : map.members) s_.failsafe_asked[name] = url;
  s_.lead.consent.round = 0;
  txn.then.push_back({.key = "failsafe", .value = model::encode_failsafe(map)});
  write("failsafe", std::move(txn));
}

/// Whoever was started a moment ago need not wait out what a former agent of its node may have
/// promised. What is asked for from now on, the present one hears.
void Core::free_restarted() {
  const Consent& consent = s_.lead.consent;
  if (!s_.dynamic.failsafe_mode || !s_.view->failsafe || s_.page != PageState::leased) return;
  if (s_.lead.moving || !leader_key_is_mine() || !may_write("unpromised")) return;
  if (consent.is_asked_for() || now_ < consent.until) return;
  bool news = false;
  for (const auto& [name, member] : s_.view->members) {
    if (name == s_.name() || member.aurum_version.empty()) continue;
    model::LeaseId& told = s_.lead.freed[name];  // each agent has a lease of its own
    news |= std::exchange(told, member.lease) != member.lease;
  }
  if (!news) return;
  write("unpromised", as_leader({{.key = std::string(model::kUnpromisedKey),
                                  .value = std::to_string(s_.view->revision)}}));
}

bool Core::may_seek_consent() const {
  const Leadership& lead = s_.lead;
  if (!s_.dynamic.failsafe_mode || !lead.held || !lead.promoted || lead.moving) return false;
  if (s_.page != PageState::leased || s_.demoting || s_.stopping) return false;
  // Of a map from before this leadership nothing is known.
  if (!s_.view || !s_.view->failsafe || s_.view->failsafe->members.empty()) return false;
  if (s_.view->revision < static_cast<model::Revision>(lead.epoch)) return false;
  // As for a renewal: a server that is settled has to prove that it is alive, and can write.
  if (can_not_write()) return false;
  return !settled() || now_ - s_.answered_at <= s_.timing.proof_max_age;
}

/// Half of the time is gone, and nothing has renewed it.
void Core::seek_consent() {
  if (!may_seek_consent()) return;
  Consent& consent = s_.lead.consent;
  // With heartbeats a short one: while it lasts nobody takes over from a leader that is lost.
  const auto& beat = s_.lead.beat;
  const Duration promise = promise_of(beat ? 2 * beat->takeover : s_.timing.ttl);
  Instant begin = s_.lead.deadline - warranted(promise) / 2;
  if (beat) begin = s_.lead.renewed_until - beat->fence / 2;
  if (beat && consented()) begin = std::max(begin, consent.until - warranted(promise) / 2);
  if (now_ < begin) {
    consent.round = 0;  // the store renewed the lock meanwhile
    return wake_at(begin);
  }
  const Duration patience = std::clamp<Duration>(promise / 4, seconds(1), seconds(7));
  if (consent.round != 0 && now_ < consent.since + patience)
    return wake_at(consent.since + patience);
  if (now_ < consent.not_before) return wake_at(consent.not_before);
  AskConsent ask{.round = next_id_++,
                 .epoch = s_.lead.epoch,
                 .promise = promise,
                 .conn_url = self_.conn_url,
                 .api_url = self_.api_url,
                 .timeout = patience};
  if (s_.facts) ask.slots = leader_status(*s_.facts, s_.name(), {}).slots;
  auto members = s_.failsafe_asked;
  members.insert(s_.view->failsafe->members.begin(), s_.view->failsafe->members.end());
  members.erase(s_.name());
  consent.round = ask.round;
  consent.since = now_;
  consent.warranted = warranted(promise);
  consent.asked = true;
  consent.promised.clear();
  consent.not_before = now_ + milliseconds(500);
  for (const auto& [name, url] : members) {
    consent.promised[name] = false;
    ask.peers.push_back({name, url});
  }
  if (!ask.peers.empty()) emit(std::move(ask));
  take_consent();
}

void Core::take_consent() {
  Consent& consent = s_.lead.consent;
  const bool all = std::ranges::all_of(consent.promised, [](const auto& p) { return p.second; });
  if (!all || consent.round == 0) return;
  consent.round = 0;
  if (!may_seek_consent()) return;
  consent.until = std::max(consent.until, consent.since + consent.warranted);
  s_.lead.deadline = std::max(s_.lead.deadline, consent.until);
  emit(ExtendLeasePage{s_.lead.epoch, s_.lead.deadline});
  if (!std::exchange(consent.told, true))
    warn("failsafe",
         "continue to run as a leader because failsafe mode is enabled and all members are "
         "accessible");
}

void Core::on(const PeerConsented& e) {
  Consent& consent = s_.lead.consent;
  if (!s_.lead.held || consent.round != e.round || !consent.promised.contains(e.name)) return;
  if (e.promised) {
    consent.promised[e.name] = true;
    return take_consent();
  }
  if (consent.promised[e.name]) return;
  consent.round = 0;
  warn("failsafe.refused",
       fmt::format("failsafe mode: {} does not promise to wait: {}", e.name, e.why_not));
}

/// The lock is gone from the store. Until the promises run out nobody takes it.
bool Core::fall_back_to_consent(const std::string& why) {
  if (!consented()) return false;
  if (s_.lead.keyless) return true;
  warn("failsafe.keyless", why + ": the members have promised not to take it; taking it again");
  s_.lead.keyless = true;
  s_.lead.moving = false;
  s_.lead.deadline = s_.lead.consent.until;
  emit(StopRenewing{});
  emit(ShortenLeasePage{s_.lead.deadline});
  s_.lead.proof_asked = Duration(-1);
  emit(ReadDcs{});
  return true;
}

/// The store is back, and the lock has run out meanwhile.
void Core::regain_lock() {
  if (s_.lease == 0 || !s_.dcs_error.empty() || !lease_is_fresh() || writing("reclaim leader") ||
      writing("release leader"))
    return;
  if (!s_.race_backoff.may_try(now_)) return wake_at(s_.race_backoff.not_before);
  s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
  s_.lead.moving = false;  // what was asked before was refused
  if (leader_key_is_mine()) return bind_leader_to_lease();
  if (s_.view->leader) return;
  info("failsafe.regain", "taking the leader lock again: it ran out while I led in failsafe mode");
  model::Txn txn{.when = {{.key = "leader"}},
                 .then = {{.key = "leader", .value = s_.name(), .lease = s_.lease}}};
  require_same_restore(txn);
  claim_failsafe(txn);
  claim_maintenance(txn);
  txn.when.push_back(model::unchanged("sync", s_.view->sync.mod_revision));
  leader_lease_asked_ = s_.lease;
  // The page may say no more than the lease that the lock will hang on, or the promises.
  s_.lead.moving = true;
  write("reclaim leader", std::move(txn));
}

/// Part of taking the lock: what is known of the map and of the last release must not be old, and
/// from now on the release says nothing.
void Core::claim_failsafe(model::Txn& txn) const {
  const auto& map = s_.view->failsafe;
  txn.when.push_back(model::unchanged("failsafe", map ? map->mod_revision : 0));
  const std::string released(model::kReleasedKey);
  txn.when.push_back(model::unchanged(released, s_.view->released_revision));
  if (s_.view->released_revision != 0)
    txn.then.push_back({.what = Write::What::erase, .key = released});
}

/// In its release: whoever has promised, or may have, need not wait for the promise's end.
void Core::end_promises(model::Txn& txn, model::Revision epoch) const {
  if (s_.dynamic.failsafe_mode || s_.lead.consent.asked)
    txn.then.push_back({.key = std::string(model::kReleasedKey), .value = std::to_string(epoch)});
}

// --------------------------------------------------------------------------------- the others

bool Core::promised_away() const {
  const Promise& promise = s_.promise;
  return now_ < promise.until && promise.to != s_.name();
}

/// Whom it was given to has released the lock, or another took it by a transaction that comes after
/// every promise. For good: what says so goes from the store with the next leader
/// (failsafe_scenario_test: a_promise_is_over_for_good_…).
void Core::end_promise() {
  Promise& promise = s_.promise;
  if (promise.epoch == 0 || now_ >= promise.until) return;
  const auto& leader = s_.view->leader;
  const model::Member* member = s_.view->leader_member();
  const bool ours = member != nullptr && !member->aurum_version.empty();
  const bool taken = ours && leader->name != promise.to &&
                     leader->create_revision > static_cast<model::Revision>(promise.epoch);
  if (taken || s_.view->released >= promise.epoch) promise.until = now_;
}

/// For good: whoever leads later asks this agent. A write of its own tells what came after it
/// began; what it read first may be old (unpromised_scenario_test:
/// …_that_a_lagging_member_of_the_store_tells_late).
void Core::hear_unpromised() {
  if (s_.first_write != 0 && s_.view->unpromised >= s_.first_write) s_.freed = true;
}

/// Whether a former agent of this node may have promised what this one knows nothing of.
bool Core::may_have_promised() const {
  const auto& map = s_.view->failsafe;
  if (!map || s_.before_cluster || s_.freed) return false;
  if (is_primary()) return false;  // which never promises
  const bool alone = map->members.size() == 1 && map->members.contains(s_.name());
  // The last leader ended itself. A Patroni that led since would not have taken that back.
  const bool all_ours = std::ranges::none_of(
      s_.view->members, [](const auto& m) { return m.second.aurum_version.empty(); });
  if (s_.view->released != 0 && all_ours) return false;
  return !alone && now_ < *s_.begun + std::max(kLongestPromise, s_.timing.ttl);
}

/// Every other member of the map follows: then none of them leads by consent.
bool Core::all_follow(const PeerAnswers& answers) const {
  return std::ranges::all_of(s_.view->failsafe->members, [&](const auto& asked) {
    if (asked.first == s_.name()) return true;
    const auto answer = answers.find(asked.first);
    return answer != answers.end() && answer->second && answer->second->running &&
           answer->second->in_recovery;
  });
}

void Core::promise(const ConsentRequest& request, RequestId id) {
  if (!s_.dynamic.failsafe_mode) return reply(id, 502, "failsafe mode is off");
  const bool standing = writing("acquire leader") || writing("reclaim leader") ||
                        writing("found cluster") || s_.bootstrapping;
  if (s_.lead.held || is_primary() || job_is<Promote>())
    return reply(id, 500, "Running as a leader");
  if (standing) return reply(id, 503, "taking the leader lock");
  if (held_by_restore()) return reply(id, 503, "a restore of the cluster is on");
  const Duration asked = request.epoch != 0 ? request.promise : s_.timing.ttl;
  if (asked > std::max(kLongestPromise, s_.timing.ttl))
    return reply(id, 503, "a promise longer than this agent would remember");
  if (s_.promise.to != request.leader || now_ >= s_.promise.until)
    info("failsafe.promise",
         fmt::format("{} leads in failsafe mode: I take no lock meanwhile", request.leader));
  s_.promise = {request.leader, request.epoch, std::max(now_ + asked, s_.promise.until),
                request.slots};
  if (s_.view) end_promise();  // asked late
  reply(id, 200, "Accepted");
}

}  // namespace aurum::core
