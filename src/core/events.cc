// Taking events in: what each changes in the state. Decisions follow in decide().

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

namespace {

const char* const kLeaderWrites[] = {"acquire leader", "reclaim leader", "found cluster"};

bool is_leader_write(const std::string& what) {
  for (const char* w : kLeaderWrites) {
    if (what == w) return true;
  }
  return false;
}

/// A job during which the end of the server is no surprise.
bool ends_server(const std::optional<Running>& job) {
  return job &&
         (std::holds_alternative<StopPg>(job->job) || std::holds_alternative<RestartPg>(job->job) ||
          std::holds_alternative<CopySlots>(job->job) || std::holds_alternative<Rewind>(job->job) ||
          std::holds_alternative<StartPg>(job->job) || std::holds_alternative<InitDb>(job->job));
}

}  // namespace

void Core::on(const DcsSnapshot& e) {
  // From before a write of ours that was answered: it would show the past as the present (F3, F27).
  if (e.view->revision < s_.revision_min) return;
  // A leader is its name and the creation of its key: the same member may have lost and retaken it.
  const auto identity = [](const model::SharedView& v) {
    return v && v->leader ? std::pair<std::string_view, model::Revision>(v->leader->name,
                                                                         v->leader->create_revision)
                          : std::pair<std::string_view, model::Revision>();
  };
  if (!s_.view) s_.before_cluster = e.view->initialize.value_or("").empty();
  const model::SharedView former_view = s_.view;
  const auto former = identity(former_view);
  if (s_.view && e.view->revision < s_.view->revision) return;
  // The same revision again says one thing: the store is there.
  if (!s_.view || e.view->revision != s_.view->revision) s_.view = e.view;
  const bool changed = s_.view != former_view;
  slots_due_ |= changed;
  s_.view_at = std::max(s_.view_at, e.sent_at);
  if (!s_.dcs_error.empty()) info("dcs.back", "the store (DCS) answers again");
  s_.dcs_error.clear();
  for (const auto& [name, member] : s_.view->members) member_seen_[name] = now_;

  if (changed && !s_.view->config.is_null() && s_.view->config != s_.dynamic_tree) {
    const Duration old_ttl = s_.timing.ttl;
    take_dynamic(s_.view->config);
    info("config", "dynamic configuration changed");
    if (s_.timing.ttl != old_ttl) emit(HoldLease{s_.timing.ttl});
    s_.lead.proof_asked = Duration(-1);  // tell the lease thread its new spans
  }
  hear_heartbeat();
  end_promise();
  hear_unpromised();
  look_at_lock();
  const std::string leader = s_.view->leader_name();
  if (!leader.empty() && !lock_is_spoiled()) s_.leader_before = leader;
  if (!leader.empty())
    s_.leaderless_since.reset();
  else if (!s_.leaderless_since)
    s_.leaderless_since = now_;
  // A standby leader that followed its remote onto another timeline, or was rewound for it: who
  // follows it looks again at once.
  const auto timeline_led = [](const model::SharedView& v) -> model::Timeline {
    const model::Member* leads = v ? v->leader_member() : nullptr;
    return leads != nullptr ? leads->timeline.value_or(0) : 0;
  };
  if (in_standby_cluster() && timeline_led(s_.view) != timeline_led(former_view))
    s_.rejoin_checked = false;
  if (identity(s_.view) != former && !lock_is_spoiled()) {
    if (!leader.empty() && leader != s_.name())
      info("leader.new", fmt::format("the leader is {}", leader));
    else if (leader.empty() && !former.first.empty() && former.first != s_.name())
      info("leader.gone",
           fmt::format("{} does not lead any more: its leader key is gone from the store",
                       former.first));
    s_.rejoin_checked = false;
    s_.rewind_failures = 0;
    s_.inspect_backoff.reset();
    s_.race_backoff.reset();
    if (!leader.empty() && leader != s_.name()) {
      s_.parked.clear();
      s_.poll.reset();
      s_.demoting = false;
      s_.no_race_before = now_;
    }
  }
  // The key is gone or bears another name: whatever our own clock says, this leadership is over.
  if (s_.lead.held && static_cast<std::uint64_t>(e.view->revision) >= s_.lead.epoch &&
      !leader_key_is_mine() && !may_mend_lock() &&
      !(leader.empty() && fall_back_to_consent("the leader key is gone"))) {
    lose_leadership(leader.empty()      ? "the leader key is gone"
                    : lock_is_spoiled() ? "the leader key is spoiled"
                                        : leader + " holds the leader key");
  }
}

/// What a write of ours did to the leader key, before the store shows it.
void Core::see_leader(std::optional<model::Leader> leader) {
  auto view = std::make_shared<model::ClusterView>(*s_.view);
  view->leader = std::move(leader);
  s_.view = std::move(view);
  slots_due_ = true;
}

void Core::take_dynamic(const model::Value& tree) {
  s_.dynamic_tree = tree;
  s_.dynamic = model::read_dynamic_config(s_.dynamic_tree);
  for (const auto& finding : s_.dynamic.findings) warn("config", finding.text());
  s_.timing = make_timing(s_.dynamic, s_.config.aurum.profile);
  s_.longest_ttl = std::max(s_.longest_ttl, s_.timing.ttl);
}

void Core::on(const KeptConfig& e) {
  if (s_.view || !e.tree.is_object()) return;
  take_dynamic(e.tree);
}

void Core::on(const DcsFailed& e) {
  if (s_.dcs_error.empty()) warn("dcs.error", "Error communicating with DCS: " + e.error.text());
  s_.dcs_error = e.error.message;
}

void Core::on(const DcsWritten& e) {
  const auto it = s_.pending.find(e.id);
  if (it == s_.pending.end()) return;
  const Pending write = it->second;
  s_.pending.erase(it);
  if (e.result && e.result->succeeded) {
    s_.revision_min = std::max(s_.revision_min, e.result->revision);
    if (s_.first_write == 0) s_.first_write = e.result->revision;
  }
  write_ended(write, e.result);
}

void Core::give_up_leader_writes() {
  for (auto& [id, pending] : s_.pending) pending.given_up |= is_leader_write(pending.what);
}

void Core::write_ended(const Pending& write, const Result<model::TxnDone>& result) {
  if (!result) {
    warn("dcs.write", fmt::format("could not {}: {}", write.what, result.error().text()));
    s_.write_backoff.failed(now_, milliseconds(100), seconds(2));
    if (write.what == "member") published_member_.reset();
    if (write.what == "unpromised") s_.lead.freed.clear();
    if (write.what == "sync") s_.sync_unsettled = true;
    if (write.what == "initialize") s_.initialize_unsettled = true;
    // Its lease is gone: looked at now, and not when the next keepalive is due, it is replaced
    // (store_failures_scenario_test: a_write_refused_for_its_lease_brings_a_new_one_at_once).
    if (result.error().code == Code::rejected) emit(HoldLease{s_.timing.ttl});
    emit(ReadDcs{});  // with an unknown outcome only a read can tell
    return;
  }
  s_.write_backoff.reset();
  if (write.what == "sync" && result->succeeded) s_.sync_unsettled = false;
  if (is_leader_write(write.what)) {
    if (result->succeeded) {
      // Released since (store_failures_scenario_test: an_answer_for_the_lock_that_comes_after_…),
      // or bound to a lease that was replaced: what that one allows is not known any more.
      if (write.given_up || leader_lease_asked_ != s_.lease) return emit(ReadDcs{});
      return become_leader(static_cast<std::uint64_t>(result->revision));
    }
    info("race.lost", "following new leader after trying and failing to obtain lock");
    if (write.what == "found cluster") {
      s_.bootstrapping = false;
      if (in_standby_cluster()) release_initialize();  // of a copy the founding is not resumed
    }
    if (write.what == "acquire leader") s_.former_sync.reset();
    emit(ReadDcs{});
  } else if (write.what == "release leader") {
    if (result->succeeded && s_.view) see_leader(std::nullopt);
    emit(ReadDcs{});
  } else if (write.what == "initialize") {
    if (result->succeeded) {
      s_.initialize_unsettled = false;
      s_.bootstrapping = true;
      info("bootstrap", "trying to bootstrap a new cluster");
    }
    emit(ReadDcs{});
  } else if (write.what == "finish bootstrap") {
    if (result->succeeded) {
      s_.bootstrapping = s_.initdb_here = false;
      auto view = std::make_shared<model::ClusterView>(*s_.view);
      view->initialize = s_.facts->system_identifier;  // before the store shows it
      s_.view = std::move(view);
      s_.bootstrap_backoff.reset();
      info("bootstrap.done", "initialized a new cluster");
      call_back("on_start", s_.lead.standby ? model::Role::standby_leader : model::Role::primary);
    }
    emit(ReadDcs{});
  } else if (write.what == "member") {
    if (!result->succeeded) published_member_.reset();
  } else if (write.what == "enter maintenance" && result->succeeded) {
    const bool same = s_.lead.held && s_.lead.epoch == maintenance_epoch_;
    if (same && s_.dynamic.pause) set_page(PageState::maintenance, s_.lead.epoch, s_.lead.deadline);
  } else if (!result->succeeded) {
    emit(ReadDcs{});  // our idea of that key is old
  }
}

void Core::on(const LeaseGranted& e) {
  if (e.lease == s_.lease) return;
  s_.lease = e.lease;
  s_.lease_sent_at = e.sent_at;
  s_.lease_ttl = e.ttl;
  published_lease_ = 0;
}

void Core::on(const LeaseKept& e) {
  if (e.lease == s_.lease) s_.lease_sent_at = std::max(s_.lease_sent_at, e.sent_at);
}

void Core::on(const LeaseGone& e) {
  // `leader` went with the lease it is bound to.
  if (s_.lead.held && e.lease == s_.lead.lease && !s_.lead.keyless &&
      !fall_back_to_consent("the lease of the lock is gone"))
    lose_leadership("the lease of the lock is gone");
  if (e.lease != s_.lease) return;
  s_.lease = 0;
  warn("lease.gone", "this member's lease in the store is gone; taking a new one");
}

void Core::on(const LeaderRenewed& e) {
  if (!s_.lead.held || e.epoch != s_.lead.epoch || s_.lead.moving) return;
  if (e.beat != s_.lead.beat.has_value()) return;  // from before the first heartbeat
  s_.lead.renewed_until = std::max(s_.lead.renewed_until, e.until);
  s_.lead.deadline = std::max(s_.lead.deadline, s_.lead.renewed_until);
  s_.lead.consent.told = false;
  // A linearizable answer about `leader` is as good as a read for "the store is there".
  s_.view_at = std::max(s_.view_at, e.sent_at);
}

void Core::on(const LeaderLost& e) {
  if (s_.lead.held && e.epoch == s_.lead.epoch && !may_mend_lock() && !fall_back_to_consent(e.why))
    lose_leadership(e.why);
}

void Core::on(const PgProbed& e) {
  const bool was_alive = running();
  const bool first = !s_.facts;
  s_.facts = e.facts;
  s_.end_unseen = false;
  slots_due_ = true;
  if (e.facts.accepting) {
    // Once its walreceiver is gone a standby may tell the timeline of its last checkpoint only.
    s_.newest_timeline = std::max(s_.newest_timeline, e.facts.timeline);
    if (e.facts.in_recovery) s_.facts->timeline = s_.newest_timeline;
  }
  if (first && e.facts.process_alive) s_.adopted = true;
  if (s_.adopted && first)
    info("adopt", fmt::format("found PostgreSQL running with pid {}", e.facts.pid));
  if (e.facts.accepting && !s_.called_as && !s_.job && !s_.bootstrapping)
    call_back("on_start", e.facts.in_recovery ? model::Role::replica : model::Role::primary);
  if (e.facts.accepting) {
    s_.answered_at = now_;
    s_.disk_refuses = !e.facts.takes_writes;
    s_.hung_since.reset();
    s_.start_failed = false;
    s_.crashed = false;
    if (!e.facts.in_recovery) {
      if (s_.lead.held) s_.lead.promoted = true;
      if (!s_.primary_since) s_.primary_since = now_;
      // The budget is for all crashes of one bad time, not for each alone (F36).
      if (now_ - *s_.primary_since >= std::max<Duration>(s_.timing.ttl, seconds(30))) {
        s_.crash_since.reset();
        s_.crash_backoff.reset();
      }
    }
    if (s_.sync_setting_since == model::Lsn{}) s_.sync_setting_since = e.facts.flush_lsn;
  } else if (e.facts.probe_timed_out) {
    if (!s_.hung_since) s_.hung_since = now_;
  } else {
    s_.hung_since.reset();
  }
  if (!e.facts.accepting || e.facts.in_recovery) s_.primary_since.reset();
  if (!e.facts.process_alive && e.facts.control) s_.data_was_primary = !data_in_recovery();
  if (was_alive && !e.facts.process_alive && !ends_server(s_.job))
    on(PgExited{0, "it is not there any more"});
}

void Core::on(const PgExited& e) {
  // Told twice, or late: another postmaster runs by now.
  const bool known_dead = s_.facts && !s_.facts->process_alive;
  if (e.pid != 0 && s_.facts && (known_dead || s_.facts->pid != e.pid)) return;
  s_.hung_since.reset();
  s_.primary_since.reset();
  s_.applied.reset();
  s_.adopted = false;
  s_.crash_look = {};
  if (s_.facts) {
    if (!s_.facts->in_recovery) s_.crash_look.flushed = s_.facts->flush_lsn;
    s_.facts->process_alive = false;
    s_.facts->accepting = false;
    s_.facts->probe_timed_out = false;
    s_.end_unseen = e.pid != 0;
  }
  if (s_.crashed || ends_server(s_.job)) return;
  s_.crashed = true;
  warn("pg.exited", fmt::format("PostgreSQL ended unexpectedly ({})", e.how));
}

void Core::on(const LastRecordWritten& e) {
  if (!job_is<StopPg>() || s_.job->id != e.id) return;
  s_.last_record = LastRecord{.begin = e.begin, .seen_at = now_};
  s_.last_record_backoff.reset();
  s_.poll.reset();
}

void Core::on(const JobProgress& e) {
  if (s_.job && s_.job->id == e.id) s_.job->progress = e.text;
}

void Core::on(const JobDone& e) {
  for (auto side = s_.sides.begin(); side != s_.sides.end(); ++side) {
    if (side->id != e.id) continue;
    const Running done = *side;
    s_.sides.erase(side);
    return job_ended(done, e.result);
  }
  if (!s_.job || s_.job->id != e.id) return;
  const Running done = *s_.job;
  s_.job.reset();
  job_ended(done, e.result);
}

void Core::on(const PeerAnswered& e) {
  if (!s_.poll || s_.poll->round != e.round) return;
  s_.poll->asked[e.name] = true;
  s_.poll->answers[e.name] = e.status;
}

void Core::on(const ConfigReloaded& e) {
  const bool other_watchdog = s_.config.watchdog != e.config.watchdog;
  s_.config = e.config;
  if (other_watchdog) {
    s_.watchdog = {};
    if (s_.lead.held && s_.config.watchdog.mode == "off") emit(ArmWatchdog{Duration(-1)});
    if (s_.lead.held) arm_watchdog();
  }
  s_.timing = make_timing(s_.dynamic, s_.config.aurum.profile);
  s_.lead.proof_asked = Duration(-1);  // tell the lease thread its new spans
  describe_self();
  s_.reload_asked = true;
  info("reload", "local configuration was read again");
}

void Core::on(const StopRequested&) {
  if (s_.stopping) return;
  s_.stopping = true;
  info("stop", "shutting down");
}

}  // namespace aurum::core
