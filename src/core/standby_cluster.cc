// A standby cluster: its leader streams from the primary of another cluster, the others from it
// (PATRONI_COMPAT §8.11).
//
// What must stay true (sim/standby_cluster_scenario_test.cc):
//  - The lock of a standby cluster makes nobody writable: the lease page stays idle under it.
//  - Whoever takes the lock compares `config`: with an old idea of it nobody leads, so nobody is
//    promoted in a cluster that follows another one (…an_old_view_of_the_configuration…).
//  - A standby leader is promoted under a new epoch only, which is written while `config` names no
//    remote any more; its page says `leased` before.
//  - A primary whose cluster becomes a standby cluster is down before its page says `idle`. So is
//    one that a former agent may have told to be promoted: until it is down the page stays as that
//    agent left it (…a_promotion_asked_for_before_comes_true…).

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

using model::DataDir;
using model::Role;

namespace {

/// A standby leader whose server does not start leaves the lock to others after so many tries.
constexpr int kStartsUntilOthers = 2;

}  // namespace

/// Whom the standby leader follows. No name: it is no member. No host: its archive is all there is.
model::Upstream Core::remote() const {
  const auto& standby = s_.dynamic.standby_cluster;
  if (!standby) return {};
  return {"", standby->host, standby->port.empty() ? 5432 : std::atoi(standby->port.c_str())};
}

/// By whose WAL this server's is judged.
std::optional<model::Upstream> Core::followed() const {
  if (s_.lead.standby) return remote();
  if (!s_.view || !s_.view->leader) return std::nullopt;
  return upstream_of(s_.view->leader->name);
}

std::string Core::followed_text() const {
  if (!s_.lead.standby && lock_is_spoiled()) return "a leader: that key is spoiled";
  if (!s_.lead.standby) return s_.view ? s_.view->leader_name() : "";
  const model::Upstream from = remote();
  return from.host.empty() ? "the archive" : fmt::format("remote {}:{}", from.host, from.port);
}

/// Part of taking the lock: whether it lets this server write is said by the configuration.
void Core::claim_config(model::Txn& txn) {
  standby_asked_ = in_standby_cluster();
  txn.when.push_back(model::unchanged("config", s_.view->config_revision));
}

// ------------------------------------------------------------------------------------- founding

void Core::clone_remote() {
  if (!s_.clone_backoff.may_try(now_)) return wake_at(s_.clone_backoff.not_before);
  if (s_.facts->data_dir == DataDir::incomplete)
    return start_job(ClearData{.why = "an unfinished copy"});
  std::vector<model::Upstream> sources;
  if (const model::Upstream from = remote(); !from.host.empty()) sources.push_back(from);
  info("clone", fmt::format("trying to bootstrap a new standby leader from {}:{}", remote().host,
                            remote().port));
  start_job(Clone{.sources = std::move(sources),
                  .methods = s_.dynamic.standby_cluster->create_replica_methods});
}

/// It is a copy already, and the lock is ours.
void Core::found_standby_cluster() {
  // It was registered, and may be a primary whose cluster was demoted before it heard of either
  // (…a_founder_whose_cluster_is_demoted_stops_before_its_page_is_idle).
  const auto& initialize = s_.view->initialize;
  if (initialize && *initialize == s_.facts->system_identifier) {
    s_.bootstrapping = s_.initdb_here = false;
    return wake_at(now_);
  }
  if (!s_.lead.standby) return release_leader("a standby cluster is founded by a standby");
  if (!running()) return lead_standby_stopped();
  if (!accepting()) return result("PostgreSQL is starting up");
  if (may_write("finish bootstrap")) finish_bootstrap();
}

// -------------------------------------------------------------------------------------- leading

void Core::lead_standby() {
  if (!s_.lead.standby) return become_standby_leader();
  if (!in_standby_cluster()) return promote_cluster();
  if (is_primary())  // promoted, and not by us
    return lose_leadership("PostgreSQL is a primary, and this is a standby cluster");
  keep_renewing();
  move_to_new_lease();
  tell_standby_role();
  lead_standby_store();
  lead_failover_request();
  if (s_.job) return;
  lead_slots();
  decide_follow();
}

void Core::lead_as_standby() {
  result(fmt::format("no action. I am ({}), the standby leader with the lock", s_.name()));
}

void Core::lead_standby_store() {
  lead_store();
  lead_failsafe_map();
  drop_sync_key();
  note_remote_timeline();
}

/// Numbers that the remote has used, and a member may have WAL of, are not for promotions here.
void Core::note_remote_timeline() {
  const model::Timeline seen = s_.facts->timeline;
  if (seen <= std::max<model::Timeline>(s_.view->timeline_given, 1) || !may_write("timeline"))
    return;
  model::Txn txn = as_leader({{.key = "aurum_timeline", .value = std::to_string(seen)}});
  txn.when.push_back(model::unchanged("aurum_timeline", s_.view->timeline_given_revision));
  write("timeline", std::move(txn));
}

/// Of before: it would bar members from leading who have all there is.
void Core::drop_sync_key() {
  if (s_.view->sync.mod_revision != 0 && may_write("sync")) write_sync_key(std::nullopt);
}

/// The cluster follows another one from now on. Its last WAL is archived by the clean stop.
void Core::become_standby_leader() {
  if (!is_primary() && !s_.adopted) return lead_standby_stopped();
  info("demote.cluster", fmt::format("demoting the cluster: it follows {}:{} from now on",
                                     remote().host, remote().port));
  s_.poll.reset();
  stop_cleanly(true);
  keep_renewing();
}

/// Its server is down, or a standby that nobody promotes: the lock goes on without a deadline for
/// it.
void Core::lead_standby_stopped() {
  if (!s_.lead.standby) {
    if (!s_.dcs_error.empty() || now_ >= s_.lead.renewed_until)
      return lose_leadership("the lock was not renewed");
    s_.lead.standby = true;
    s_.lead.promoted = s_.demoting = s_.checkpoint_pending = false;
    s_.lead.deadline = s_.lead.renewed_until;
    s_.lead.consent = {};
    s_.lead.proof_asked = Duration(-1);
    s_.crash_since.reset();
    s_.rejoin_checked = false;
    set_page(PageState::idle, s_.lead.epoch, s_.lead.deadline);
    keep_renewing();
    info("demote.cluster.done", "promoted self to a standby leader: the lock stays mine");
  }
  if (running()) return wake_at(now_);
  if (s_.page != PageState::idle) set_page(PageState::idle, s_.lead.epoch, s_.lead.deadline);
  if (s_.demoting) return release_leader("PostgreSQL is stopped");
  if (!in_standby_cluster()) return promote_cluster();
  if (s_.end_unseen) return;
  keep_renewing();
  if (s_.start_backoff.failures >= kStartsUntilOthers && has_successor()) {
    // While its claim stands nobody else may lead
    // (…a_founder_whose_server_does_not_start_leaves_the_founding_to_others).
    if (s_.bootstrapping) release_initialize();
    return release_leader("PostgreSQL does not start, and others can lead");
  }
  if (!s_.start_backoff.may_try(now_)) return wake_at(s_.start_backoff.not_before);
  decide_rejoin(remote());
}

/// In maintenance mode: neither started, nor stopped, nor promoted.
void Core::lead_standby_paused() {
  keep_renewing();
  if (s_.lead.moving) move_to_new_lease();
  if (s_.demoting && !running()) return lead_stopped();
  if (!accepting()) return result("PostgreSQL is not running");
  lead_standby_store();
  lead_failover_request();
  if (s_.job) return;
  lead_slots();
  lead_as_standby();
}

// ------------------------------------------------------------------------------------ promotion

/// The configuration names no remote any more. Under a new epoch this lock is one that lets its
/// holder write; what is written then was compared with the configuration.
void Core::promote_cluster() {
  keep_renewing();
  if (!may_take_anew()) return result("waiting for the store to promote the standby cluster");
  if (!s_.race_backoff.may_try(now_)) return wake_at(s_.race_backoff.not_before);
  s_.race_backoff.failed(now_, milliseconds(100), seconds(2));
  info("promote.cluster", "promoting the standby cluster: standby_cluster was removed");
  bind_leader_to_lease();
}

// ------------------------------------------------------------------------------------- and else

/// The callbacks of replica and standby leader, which become one another while they run.
void Core::tell_standby_role() {
  if (!s_.called_as || !accepting() || !s_.facts->in_recovery) return;
  const Role role = s_.lead.standby ? Role::standby_leader : Role::replica;
  const bool other = *s_.called_as == Role::replica || *s_.called_as == Role::standby_leader;
  if (!other || *s_.called_as == role) return;
  if (s_.lead.standby)
    info("promoted", "promoted self to a standby leader by acquiring session lock");
  call_back("on_role_change", role);
}

Role Core::role_of(const model::PgTarget& target) const {
  if (target.primary) return Role::primary;
  return s_.lead.standby ? Role::standby_leader : Role::replica;
}

void Core::wrong_remote(const model::UpstreamState& state) {
  const std::string why =
      fmt::format("{} has another system identifier ({}) than this cluster ({})", followed_text(),
                  state.system_identifier, s_.facts->system_identifier);
  if (s_.parked != why)
    note(Note::Level::error, "standby.remote",
         why + "; correct standby_cluster in the dynamic configuration");
  s_.parked = why;
  s_.inspect_backoff.failed(now_, seconds(1), seconds(10));
  if (!running()) start_job(StartPg{replica_target(std::nullopt), start_limit()});
}

}  // namespace aurum::core
