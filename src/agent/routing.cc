// What HAProxy and PgBouncer are told of this node, before they find out themselves.

#include "agent/agent.h"
#include "runtime/clock.h"

namespace aurum::agent {

bool Agent::leads_and_writes() const {
  const core::State& s = core_.state();
  return s.is_leader_now(runtime::now()) && s.facts && s.facts->accepting && !s.facts->in_recovery;
}

/// Of what the core knows already: no decision depends on it.
void Agent::tell_router() {
  if (leads_and_writes() == takes_writes_) return;
  takes_writes_ = !takes_writes_;
  if (!takes_writes_) return router_.follows();
  if (config_.aurum.routing.empty()) return;
  std::vector<std::string> others;
  if (const auto& view = core_.state().view)
    for (const auto& [name, member] : view->members)
      if (name != config_.name) others.push_back(name);
  router_.leads(std::move(others));
}

runtime::Task<void> Agent::hold_clients() {
  if (takes_writes_) co_await router_.hold_clients();
}

}  // namespace aurum::agent
