// An empty (or half-filled) data directory: make the cluster, copy it, or wait (PATRONI_COMPAT
// §8.12).
//
// What must stay true: initdb runs only in the node that created `initialize`, while the store
// knows no system identifier and no leader, and only into an empty directory (F17). A directory
// whose founding did not end is never led without its roles, nor started as a standby: the mark of
// it goes when the store has the cluster's identity, and not before
// (sim/cut_short_scenario_test.cc:
// a_cluster_that_was_never_registered_survives_the_loss_of_its_lock).

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

using model::Compare;
using model::DataDir;
using model::Write;

void Core::decide_bootstrap() {
  if (s_.bootstrapping) return found_cluster();
  if (s_.lead.standby) {  // its own copy is made anew
    if (!in_standby_cluster()) return release_leader("I have no data to be promoted with");
    keep_renewing();
  }
  const auto& initialize = s_.view->initialize;
  const bool unfinished = founding_unfinished();
  if (unfinished && leader_key_is_mine() && initialize.value_or("").empty()) {
    info("bootstrap.resume", "going on with the bootstrap that a former agent began");
    s_.bootstrapping = true;
    return found_cluster();
  }
  // Its release got no answer, and our own lease would keep the lock for ever, where another member
  // may have data (standby_cluster_scenario_test:
  // a_leader_without_data_gives_the_lock_away_until_…).
  if (leader_key_is_mine() && !s_.lead.held && s_.facts->data_dir != DataDir::ready) {
    if (writing("release leader")) return;
    if (!s_.write_backoff.may_try(now_)) return wake_at(s_.write_backoff.not_before);
    return release_leader("I have no data to lead with");
  }
  if (!initialize && !s_.view->leader && (unfinished || s_.facts->data_dir != DataDir::ready)) {
    if (!s_.config.bootstrap.present)
      return result("waiting for leader to bootstrap (no bootstrap section here)");
    if (model::tag_nofailover(self_))
      return result("waiting for leader to bootstrap (this node is nofailover)");
    if (const std::string trouble = watchdog_trouble(); !trouble.empty())
      return result("waiting for leader to bootstrap: " + trouble);
    if (s_.lease == 0 || writing("initialize") || !s_.bootstrap_backoff.may_try(now_)) return;
    if (!s_.clone_backoff.may_try(now_)) return wake_at(s_.clone_backoff.not_before);
    s_.bootstrap_backoff.failed(now_, milliseconds(500), seconds(5));
    // With the lease: if this node dies half-way the key goes with it and another one may try.
    write("initialize", {.when = {{.key = "initialize"}, {.key = "leader"}},
                         .then = {{.key = "initialize", .value = "", .lease = s_.lease}}});
    return;
  }
  if (initialize && initialize->empty() && s_.initialize_unsettled && s_.lease != 0 &&
      !writing("initialize") && !writing("give up bootstrap") &&
      s_.bootstrap_backoff.may_try(now_)) {
    // Our own write may have come true without an answer; the lease on the key tells.
    s_.bootstrap_backoff.failed(now_, milliseconds(500), seconds(5));
    write("initialize",
          {.when = {{.key = "initialize", .what = Compare::What::value, .text = ""},
                    {.key = "initialize", .what = Compare::What::lease, .number = s_.lease}},
           .then = {{.key = "initialize", .value = "", .lease = s_.lease}}});
    return;
  }
  if (unfinished) return result("waiting for leader to bootstrap");
  decide_clone();
}

/// What initdb made here has not got its roles yet, or the store has not got its identity, as far
/// as anybody knows. Should another agent have led it since, the store has.
bool Core::founding_unfinished() const {
  const model::PgFacts& facts = *s_.facts;
  const auto& initialize = s_.view->initialize;
  const bool known = initialize && !initialize->empty() && *initialize == facts.system_identifier;
  return facts.founding && facts.data_dir == DataDir::ready && !known;
}

void Core::found_cluster() {
  if (!s_.bootstrap_failed.empty()) return take_back_bootstrap();
  if (s_.facts->data_dir == DataDir::incomplete)
    return start_job(ClearData{.why = "an initdb that did not end"});
  if (s_.facts->data_dir == DataDir::empty) {
    if (in_standby_cluster()) return clone_remote();
    return start_job(InitDb{});
  }
  if (!s_.lead.held) {
    if (leader_key_is_mine()) return reclaim();  // the answer to the write below got lost
    if (s_.view->leader) {
      s_.bootstrapping = false;
      return wake_at(now_);
    }
    if (s_.lease == 0 || writing("found cluster")) return;
    if (!s_.write_backoff.may_try(now_)) return wake_at(s_.write_backoff.not_before);
    leader_lease_asked_ = s_.lease;
    maintenance_asked_ = false;
    model::Txn txn{.when = {{.key = "leader"},
                            {.key = "initialize", .what = Compare::What::value, .text = ""}},
                   .then = {{.key = "leader", .value = s_.name(), .lease = s_.lease}}};
    require_same_restore(txn);
    claim_config(txn);
    write("found cluster", std::move(txn));
    return;
  }
  keep_renewing();
  if (in_standby_cluster()) return found_standby_cluster();
  if (!running()) {
    // It has been writable, and "finish bootstrap" may have come true: it is kept whatever happens
    // (founding_scenario_test: a_new_cluster_that_has_written_is_never_taken_back).
    if (s_.start_failed && !s_.post_bootstrapped) {
      s_.bootstrap_failed = "the new cluster could not be started";
      return take_back_bootstrap();
    }
    if (!s_.start_backoff.may_try(now_)) return wake_at(s_.start_backoff.not_before);
    if (!watched()) return;
    // What a custom method restored may have to read an archive first.
    const Duration limit =
        s_.config.bootstrap.is_custom() ? Duration(std::chrono::hours(24)) : Duration(seconds(60));
    return start_job(StartPg{primary_target(), limit});
  }
  if (!is_primary()) return result("waiting for end of recovery after bootstrap");
  s_.lead.promoted = true;
  if (!s_.post_bootstrapped) return start_job(PostBootstrap{});
  // Its write was not answered, or refused: a finished one shows in the store.
  const auto& initialize = s_.view->initialize;
  if (initialize && *initialize == s_.facts->system_identifier) {
    s_.bootstrapping = s_.initdb_here = false;
    return wake_at(now_);
  }
  if (may_write("finish bootstrap")) finish_bootstrap();
}

/// Only what this very agent made is moved away: what it found may be more than a founding.
void Core::take_back_bootstrap() {
  if (running()) return start_job(StopPg{model::StopMode::immediate, seconds(30), false});
  if (s_.initdb_here && s_.facts->data_dir != DataDir::empty) {
    s_.initdb_here = false;
    return start_job(ClearData{.why = s_.bootstrap_failed, .keep_aside = true});
  }
  if (s_.lead.held) release_leader(s_.bootstrap_failed);
  release_initialize();
  give_up("bootstrap failed: " + s_.bootstrap_failed);
}

/// Others may make the cluster. Only the claim that is surely ours goes: one under an older lease
/// of ours ends with that, and by now it may be somebody else's.
void Core::release_initialize() {
  s_.bootstrapping = false;
  // It may get no answer, or a copy of the claim may arrive behind it: our own lease would keep
  // that for ever, and nobody else may found the cluster (standby_cluster_scenario_test:
  // a_claim_that_was_given_up_without_an_answer_is_taken_up_again).
  s_.initialize_unsettled = true;
  if (s_.lease == 0) return;
  write("give up bootstrap",
        {.when = {{.key = "initialize", .what = Compare::What::value, .text = ""},
                  {.key = "initialize", .what = Compare::What::lease, .number = s_.lease}},
         .then = {{.what = Write::What::erase, .key = "initialize"}}});
}

void Core::finish_bootstrap() {
  // Everything the others wait for, at once: system identifier and configuration.
  model::Txn done = as_leader({{.key = "initialize", .value = s_.facts->system_identifier}});
  if (s_.view->config.is_null()) {
    const model::Value& dcs = s_.config.bootstrap.dcs;
    done.then.push_back(
        {.key = "config", .value = model::to_json(dcs.is_null() ? model::Value::object() : dcs)});
  }
  write("finish bootstrap", std::move(done));
}

void Core::decide_clone() {
  const auto& initialize = s_.view->initialize;
  if (!initialize || initialize->empty()) return result("waiting for leader to bootstrap");
  std::vector<model::Upstream> sources;
  if (!s_.reinit_from_leader) {
    for (const auto& [name, member] : s_.view->members) {
      if (name == s_.name() || name == s_.view->leader_name() || !model::tag_clonefrom(member))
        continue;
      if (member.state != model::PgState::running) continue;
      if (const auto upstream = upstream_of(name)) sources.push_back(*upstream);
    }
  }
  const model::Member* leader = s_.view->leader_member();
  const bool leads = leader != nullptr && (leader->role == model::Role::primary ||
                                           leader->role == model::Role::standby_leader);
  if (leads && leader->name != s_.name() && leader->state == model::PgState::running) {
    if (const auto upstream = upstream_of(leader->name)) sources.push_back(*upstream);
  }
  if (sources.empty() && in_standby_cluster() && !leader_is_other()) return clone_remote();
  if (sources.empty()) return result("waiting for leader to bootstrap");
  if (!s_.clone_backoff.may_try(now_)) return wake_at(s_.clone_backoff.not_before);
  if (!s_.dcs_error.empty()) return result("waiting for the store (DCS) before copying");
  if (s_.facts->data_dir == DataDir::incomplete)
    return start_job(ClearData{.why = "an unfinished copy"});
  info("clone", fmt::format("trying to bootstrap from {} '{}'",
                            sources.front().name == s_.view->leader_name() ? "leader" : "replica",
                            sources.front().name));
  start_job(Clone{sources, s_.reinit_from_leader});
  s_.reinit_from_leader = false;
}

}  // namespace aurum::core
