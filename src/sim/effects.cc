// The shell: how effects are carried out. Store calls take a moment each way; a reply that does not
// come is an unknown outcome.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/renewal.h"
#include "sim/world.h"

namespace aurum::sim {

namespace {

constexpr Duration kCallTimeout = milliseconds(1500);
/// etcd's password hash is slow on purpose.
constexpr Duration kLoginLeast = milliseconds(60), kLoginMost = milliseconds(300);

constexpr Duration kWatchAhead = milliseconds(100);  ///< as in agent/lease_keeper.cc

Duration lease_beat(const Node& n) {
  return std::max<Duration>(n.lease_ttl / 4, milliseconds(300));
}

RenewalCheck check_of(const Node& n, const StartRenewing& what, Instant lease_kept, Instant sent) {
  return renewal_check({n.name, what.epoch, what.lease, what.valid_for, what.beat}, lease_kept,
                       sent);
}

}  // namespace

template <class AtStore, class Then>
void World::call_store(Node& n, Queue::Process process, AtStore at_store, Then then) {
  const auto answer = [this, &n, process](Duration in, Action what) {
    process == Queue::Process::loop ? at_agent(n, in, std::move(what))
                                    : at_lease_thread(n, in, std::move(what));
  };
  if (!store_reached(n))
    return answer(milliseconds(300), [then = std::move(then)]() mutable { then(false); });
  // Refused for its token, the client logs in, and asks again.
  Duration there = trip(n);
  if (n.logins > 0) there += jitter(kLoginLeast, kLoginMost);
  n.logins = std::max(n.logins - 1, 0);
  at(there, [this, &n, answer, life = n.life, at_store = std::move(at_store),
             then = std::move(then)]() mutable {
    const bool arrived = request_arrives(n);
    if (arrived) at_store();
    const bool answered = arrived && answer_arrives(n);
    const Duration wait = answered ? trip(n) : Duration(kCallTimeout);
    if (!n.core || n.life != life) return;
    // The client gives up in the end, whatever is still on its way.
    answer(std::min<Duration>(wait, kCallTimeout),
           [answered = answered && wait < kCallTimeout, then = std::move(then)]() mutable {
             then(answered);
           });
  });
}

void World::run(Node& n, const ReadDcs&) {
  auto view = std::make_shared<model::SharedView>();
  call_store(
      n, Queue::Process::loop, [this, &n, view] { *view = read_by(n); },
      [this, &n, view, sent = clock(n)](bool answered) {
        if (answered) return post_view(n, *view, sent, Duration{0});
        step(n, DcsFailed{{Code::unavailable, "no endpoint reachable", ""}});
      });
}

void World::run(Node& n, const WriteDcs& w) {
  const bool lost = n.lose_replies > 0 && store_reached(n);
  if (lost) --n.lose_replies;
  const Error unknown{Code::unknown_outcome, "no answer in time", ""};
  if (!lost && n.delay_requests > 0 && store_reached(n)) {
    --n.delay_requests;
    at(seconds(4), [this, txn = w.txn] { store.txn(txn); });
    return post(n, DcsWritten{w.id, fail(unknown)}, kCallTimeout);
  }
  if (!store_reached(n)) {
    const Error none{Code::unavailable, "no endpoint reachable", ""};
    return post(n, DcsWritten{w.id, fail(none)}, milliseconds(300));
  }
  if (n.double_requests > 0) {
    --n.double_requests;
    at(jitter(milliseconds(5), seconds(3)), [this, txn = w.txn] { store.txn(txn); });
  }
  auto done = std::make_shared<model::TxnDone>();
  call_store(
      n, Queue::Process::loop, [this, done, txn = w.txn] { *done = store.txn(txn); },
      [this, &n, done, lost, unknown, id = w.id](bool answered) {
        if (!answered) return step(n, DcsWritten{id, fail(unknown)});
        if (lost) return post(n, DcsWritten{id, fail(unknown)}, kCallTimeout);
        if (!done->succeeded && done->revision == 0)
          return step(n, DcsWritten{id, fail(Code::rejected, "lease not found")});
        step(n, DcsWritten{id, *done});
      });
}

// ---------------------------------------------------------------------------------------- leases

void World::run(Node& n, const HoldLease& hold) {
  n.lease_wanted = hold.ttl;
  // The one it has, if it is still there.
  if (n.lease != 0 && n.lease_ttl == hold.ttl) return keep_lease(n, n.lease, Duration{0});
  grant_lease(n);
}

void World::grant_lease(Node& n) {
  const Duration ttl = n.lease_wanted;
  auto lease = std::make_shared<model::LeaseId>(0);
  call_store(
      n, Queue::Process::loop, [this, lease, ttl] { *lease = store.grant(ttl, now_); },
      [this, &n, lease, ttl, sent = clock(n)](bool answered) {
        if (ttl != n.lease_wanted) return;
        if (!answered) return at_agent(n, milliseconds(200), [this, &n] { grant_lease(n); });
        n.lease = *lease;
        n.lease_ttl = ttl;
        n.lease_kept[n.lease] = sent;
        step(n, LeaseGranted{n.lease, sent, ttl});
        keep_lease(n, n.lease, lease_beat(n));
      });
}

void World::keep_lease(Node& n, model::LeaseId lease, Duration in) {
  at_agent(n, in, [this, &n, lease, turn = ++n.lease_turn] {
    if (n.lease != lease || n.lease_turn != turn) return;
    if (n.keepalives_lost) return keep_lease(n, lease, lease_beat(n));
    auto kept = std::make_shared<bool>(false);
    call_store(
        n, Queue::Process::loop,
        [this, &n, kept, lease] { *kept = store.keep_alive(lease, now_) || n.keepalive_lies; },
        [this, &n, lease, kept, sent = clock(n)](bool answered) {
          if (n.lease != lease) return;
          if (answered && !*kept) {
            n.lease = 0;
            step(n, LeaseGone{lease});
            return grant_lease(n);
          }
          if (answered) n.lease_kept[lease] = std::max(n.lease_kept[lease], sent);
          if (answered) step(n, LeaseKept{lease, sent});
          keep_lease(n, lease, lease_beat(n));
        });
  });
}

void World::run(Node& n, const StartRenewing& what) {
  const bool same = n.renewing.epoch == what.epoch && n.renewing.lease == what.lease &&
                    n.renewing.beat == what.beat;
  n.renewing = what;
  if (what.at_most) {
    n.page.deadline = std::min(n.page.deadline, *what.at_most);
    at(until(n, n.page.deadline), [] {});
  }
  if (!same) renew(n, ++n.renewal);
}

void World::run(Node& n, const StopRenewing&) {
  n.renewing = {};
  ++n.renewal;
}

void World::renew(Node& n, int renewal) {
  if (n.renewal != renewal) return;
  const StartRenewing what = n.renewing;
  const Duration next = what.beat ? what.beat->interval : what.interval;
  at_lease_thread(n, next, [this, &n, renewal] { renew(n, renewal); });
  const bool proven =
      what.proof_max_age == Duration{0} || clock(n) - n.proof_at <= what.proof_max_age;
  if (!proven) return;
  if (what.beat) return beat(n, renewal);
  auto ours = std::make_shared<bool>(false);
  const Instant sent = clock(n);
  const RenewalCheck check = check_of(n, what, sent, sent);
  call_store(
      n, Queue::Process::lease_thread,
      [this, &n, ours, check, lease = what.lease] {
        const bool kept = store.keep_alive(lease, now_) || n.keepalive_lies;
        *ours = kept && store.txn(check.txn).succeeded;
      },
      [this, &n, ours, what, renewal, sent, until = check.until](bool answered) {
        if (!answered || n.renewal != renewal) return;
        if (!*ours)
          return post(n, LeaderLost{what.epoch, "the leader key is not ours any more"},
                      kWatchAhead);
        renewed(n, {what.epoch, sent, until, false});
      });
}

void World::renewed(Node& n, const LeaderRenewed& e) {
  n.page.deadline = std::max(n.page.deadline, e.until);
  at(until(n, n.page.deadline), [] {});  // for the guard to look
  post(n, e, Duration{0});
}

/// The lease is kept alive now and then beside the heartbeats, and each may be lost alone.
void World::beat(Node& n, int renewal) {
  const StartRenewing what = n.renewing;
  const Instant sent = clock(n);
  const auto lost = [this, &n, what, renewal](const char* why, Duration after = Duration{0}) {
    if (n.renewal == renewal) post(n, LeaderLost{what.epoch, why}, after);
  };
  if (!n.keepalives_lost && sent - n.lease_asked >= what.interval) {
    n.lease_asked = sent;
    auto kept = std::make_shared<bool>(false);
    call_store(
        n, Queue::Process::lease_thread,
        [this, &n, kept, what] { *kept = store.keep_alive(what.lease, now_) || n.keepalive_lies; },
        [&n, kept, what, lost, sent](bool answered) {
          if (answered && *kept)
            n.lease_kept[what.lease] = std::max(n.lease_kept[what.lease], sent);
          else if (answered)
            lost("the lease of the lock is gone");
        });
  }
  auto ours = std::make_shared<bool>(false);
  const RenewalCheck check = check_of(n, what, n.lease_kept[what.lease], sent);
  const auto at_store = [this, ours, check] { *ours = store.txn(check.txn).succeeded; };
  // The faults of requests are for other writes as well.
  const auto suffers = [this](int& times) { return times > 0 && random(2) == 0 && times-- > 0; };
  if (suffers(n.double_requests)) at(jitter(milliseconds(5), seconds(6)), at_store);
  if (store_reached(n) && suffers(n.delay_requests)) return at(seconds(4), at_store);
  if (store_reached(n) && suffers(n.lose_replies)) return at(milliseconds(1), at_store);
  call_store(n, Queue::Process::lease_thread, at_store,
             [this, &n, ours, what, renewal, lost, sent, until = check.until](bool answered) {
               if (!answered || n.renewal != renewal) return;
               if (!*ours) return lost("the leader key is not ours any more", kWatchAhead);
               renewed(n, {what.epoch, sent, until, true});
             });
}

void World::run(Node& n, const SetLeasePage& page) {
  const bool ends = page.state == PageState::idle ||
                    (page.state == PageState::leased && page.deadline == Instant{});
  n.page = {page.state, page.epoch, page.deadline, ends ? Instant{} : n.page.by_consent};
  if (page.deadline == Instant{}) {
    n.renewing = {};
    ++n.renewal;
  }
  at(until(n, n.page.deadline), [] {});
}

void World::run(Node& n, const ShortenLeasePage& what) {
  n.page.deadline = std::min(n.page.deadline, what.deadline);
  at(until(n, n.page.deadline), [] {});
}

void World::run(Node& n, const ExtendLeasePage& what) {
  if (n.page.state != PageState::leased || n.page.epoch != what.epoch) return;
  n.page.deadline = std::max(n.page.deadline, what.deadline);
  n.page.by_consent = std::max(n.page.by_consent, what.deadline);
  at(until(n, n.page.deadline), [] {});
}

void World::run(Node& n, const ArmWatchdog& what) {
  if (what.timeout != Duration{0}) n.watchdog_armed = false;
  at_agent(n, n.watchdog_takes, [this, &n, what] {
    const bool armed = what.timeout > Duration{0} && !n.watchdog_broken;
    if (what.timeout != Duration{0}) n.watchdog_armed = armed;
    step(n, WatchdogAnswered{!n.watchdog_broken, armed, n.watchdog_broken ? "no such device" : ""});
  });
}

void World::run(Node& n, const HoldBallast& what) {
  const auto hold = [](model::Volume& volume, std::uint64_t size) {
    volume.available += volume.ballast;
    volume.ballast = std::min(size, volume.available);
    volume.available -= volume.ballast;
  };
  at_agent(n, milliseconds(2), [this, &n, what, hold] {
    hold(n.disk.data, what.data);
    if (n.disk.wal) hold(*n.disk.wal, what.wal);
    step(n, DiskSeen{n.disk});
  });
}

// ---------------------------------------------------------------------------------------- others

void World::run(Node& n, const ProbePg&) {
  at_agent(n, jitter(milliseconds(1), milliseconds(10)), [this, &n] { probe(n); });
}

void World::run(Node& n, const AskPeers& ask) {
  for (const PeerUrl& url : ask.peers) {
    const auto none = [this, &n, round = ask.round, name = url.name](Duration in) {
      post(n, PeerAnswered{round, name, std::nullopt}, in);
    };
    if (n.names == Node::Names::fail) {
      none(milliseconds(1));
      continue;
    }
    const Node& peer = node(url.name);
    const Duration time = jitter(milliseconds(1), milliseconds(5)) + (n.delay + peer.delay) / 2;
    const bool silent = !linked(n, peer) || peer.paused(Queue::Process::loop, now_) || lost(n) ||
                        n.names == Node::Names::hang;
    if (silent || time >= ask.timeout) {
      none(ask.timeout);
      continue;
    }
    if (!peer.core) {  // its host says so: nobody listens there
      none(time);
      continue;
    }
    at_agent(n, time, [this, &n, &peer, none, round = ask.round, name = url.name] {
      if (!linked(n, peer)) return none(seconds(1));
      if (!peer.core) return none(Duration{0});  // refused
      const model::PgFacts facts = observe(peer);
      model::PeerStatus status;
      status.running = facts.accepting;
      status.in_recovery = !facts.accepting || facts.in_recovery;
      status.timeline = facts.timeline;
      status.position = facts.position();
      status.tags = peer.core->state().tags;
      step(n, PeerAnswered{round, name, status});
    });
  }
}

void World::run(Node& n, const AskConsent& ask) {
  for (const PeerUrl& url : ask.peers) {
    post(n, PeerConsented{ask.round, url.name, false, "no answer in time"}, ask.timeout);
    if (n.names != Node::Names::resolve) continue;
    Node& peer = node(url.name);
    const Duration time = jitter(milliseconds(1), milliseconds(5)) + (n.delay + peer.delay) / 2;
    if (!passes(n, peer) || lost(n) || !peer.core) continue;
    // Now and then it comes once more, much later: nobody may take that for a new question.
    const bool twice = random(20) == 0;
    for (int i = 0; i < (twice ? 2 : 1); ++i) {
      const Duration late = i == 0 ? Duration{0} : jitter(seconds(1), seconds(20));
      at_agent(peer, time + late,
               [this, &n, &peer, ask, time] { hear_consent_asked(n, peer, ask, time); });
    }
  }
}

void World::hear_consent_asked(Node& n, Node& peer, const AskConsent& ask, Duration back) {
  const RequestId id = ++consents_asked_;
  step(peer, Request{id, ConsentRequest{n.name, ask.epoch, ask.promise, ask.slots}});
  if (!passes(peer, n) || lost(peer) || !n.core) return;
  for (const Reply& reply : peer.replies) {
    if (reply.request == id)
      at_agent(n, back,
               [this, &n,
                answer = PeerConsented{ask.round, peer.name, reply.status == 200, reply.text}] {
                 step(n, answer);
               });
  }
}

void World::run(Node& n, const StartJob& start) {
  n.jobs.insert(start.id);
  std::visit([&](const auto& j) { job(n, start.id, j); }, start.job);
}

void World::run(Node& n, const CancelJob& cancel) {
  if (n.jobs.erase(cancel.id) == 0) return;
  at_agent(n, milliseconds(2), [this, &n, cancel] {
    probe(n);
    step(n, JobDone{cancel.id, fail(Code::cancelled, "cancelled")});
  });
}

void World::run(Node& n, const KillPg&) {
  at_server(n, milliseconds(2), [this, &n] { kill_server(n); });
}

void World::run(Node& n, const Reply& reply) { n.replies.push_back(reply); }
void World::run(Node& n, const Note& note) {
  trace_as(TraceEntry::Kind::note, n.name, fmt::format("[{}] {}", note.event, note.text));
  n.notes.push_back(note);
  n.noted.push_back(now_);
}
void World::run(Node& n, const Callback& callback) {
  n.callbacks.push_back(fmt::format("{} {}", callback.action, model::to_string(callback.role)));
}

/// A core asks anew at every step: one look is queued, at the earliest of the times asked for.
void World::run(Node& n, const WakeAt& asked) {
  n.wake_at = asked.at;
  if (n.wake_queued <= n.wake_at) return;
  n.wake_queued = n.wake_at;
  at_agent(n, until(n, n.wake_at), [this, &n] { wake(n); });
}

void World::wake(Node& n) {
  if (clock(n) < n.wake_queued) return;  // an earlier look took its place
  n.wake_queued = kNever;
  if (clock(n) >= n.wake_at) return step(n, Tick{wall()});
  n.wake_queued = n.wake_at;
  at_agent(n, until(n, n.wake_at), [this, &n] { wake(n); });
}

void World::run(Node& n, const Exit& exit) {
  n.exited = {exit.code, exit.why};
  n.renewing = {};
  ++n.renewal;
  // Not at once: this runs inside the core's own step.
  at_agent(n, Duration{0}, [this, &n] {
    kill_agent(n);
    if (!restart_agents_) return;
    at(seconds(3), [this, &n, life = n.life] {
      if (n.up && n.member && !n.core && n.life == life) start_agent(n);
    });
  });
}

}  // namespace aurum::sim
