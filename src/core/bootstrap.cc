// An empty (or half-filled) data directory: make the cluster, copy it, or wait (PATRONI_COMPAT
// §8.12).
//
// What must stay true: initdb runs only in the node that created `initialize`, while the store
// knows no system identifier and no leader, and only into an empty directory (F17).

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

using model::Compare;
using model::DataDir;
using model::Write;

void Core::decide_bootstrap() {
  if (s_.bootstrapping) return found_cluster();
  const auto& initialize = s_.view->initialize;
  const bool known = initialize && !initialize->empty();
  if (!known && !initialize && !s_.view->leader && s_.facts->data_dir != DataDir::ready) {
    if (!s_.config.bootstrap.present)
      return result("waiting for leader to bootstrap (no bootstrap section here)");
    model::Member self;
    self.tags = s_.tags;
    if (model::tag_nofailover(self))
      return result("waiting for leader to bootstrap (this node is nofailover)");
    if (s_.lease == 0 || writing("initialize") || !s_.bootstrap_backoff.may_try(now_)) return;
    s_.bootstrap_backoff.failed(now_, milliseconds(500), seconds(5));
    // With the lease: if this node dies half-way the key goes with it and another one may try.
    write("initialize", {.when = {{.key = "initialize"}, {.key = "leader"}},
                         .then = {{.key = "initialize", .value = "", .lease = s_.lease}}});
    return;
  }
  decide_clone();
}

void Core::found_cluster() {
  if (s_.facts->data_dir == DataDir::incomplete)
    return start_job(ClearData{"an initdb that did not end"});
  if (s_.facts->data_dir == DataDir::empty) return start_job(InitDb{});
  if (!s_.lead.held) {
    if (s_.lease == 0 || writing("found cluster")) return;
    write("found cluster",
          {.when = {{.key = "leader"},
                    {.key = "initialize", .what = Compare::What::value, .text = ""}},
           .then = {{.key = "leader", .value = s_.name(), .lease = s_.lease}}});
    return;
  }
  keep_renewing();
  if (!running()) {
    if (s_.start_failed) {
      s_.parked = "the new cluster could not be started";
      return emit(Exit{1, s_.parked});
    }
    return start_job(StartPg{primary_target(), seconds(60)});
  }
  if (!is_primary()) return result("bootstrap in progress");
  s_.lead.promoted = true;
  if (writing("finish bootstrap")) return;
  if (!s_.initialized_here) return start_job(PostBootstrap{});
}

void Core::finish_bootstrap() {
  // Everything the others wait for, at once: system identifier and configuration.
  model::Txn done{.when = {{.key = "leader", .what = Compare::What::value, .text = s_.name()}},
                  .then = {{.key = "initialize", .value = s_.facts->system_identifier}}};
  if (s_.view->config.is_null()) {
    const model::Value& dcs = s_.config.bootstrap.dcs;
    done.then.push_back(
        {.key = "config", .value = model::to_json(dcs.is_null() ? model::Value::object() : dcs)});
  }
  s_.initialized_here = true;
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
  if (leader != nullptr && leader->name != s_.name() && leader->state == model::PgState::running &&
      leader->role == model::Role::primary) {
    if (const auto upstream = upstream_of(leader->name)) sources.push_back(*upstream);
  }
  if (sources.empty()) return result("waiting for leader to bootstrap");
  if (!s_.clone_backoff.may_try(now_)) return wake_at(s_.clone_backoff.not_before);
  if (s_.facts->data_dir == DataDir::incomplete) return start_job(ClearData{"an unfinished copy"});
  info("clone", fmt::format("trying to bootstrap from {} '{}'",
                            sources.front().name == s_.view->leader_name() ? "leader" : "replica",
                            sources.front().name));
  start_job(Clone{sources, s_.reinit_from_leader});
  s_.reinit_from_leader = false;
}

}  // namespace aurum::core
