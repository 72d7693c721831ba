// Maintenance mode (PATRONI_COMPAT §8.6): the lock is kept, PostgreSQL is left alone.
//
// What must stay true: the lease page says `maintenance` only where this node held the lock while
// the pause was on, and stops saying so when the pause ends or another member leads.

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

void Core::decide_paused() {
  // Requests and empty directories are served also now: an operator asked for them.
  if (s_.bootstrapping || s_.facts->data_dir != model::DataDir::ready) return decide_bootstrap();
  decide_requests();
  if (s_.job) return;
  if (accepting()) configure_if_needed();
  if (s_.job) return;
  if (s_.lead.held) return lead_paused();
  if (leader_is_other()) {
    // Two primaries are worse than a pause that is not kept.
    if (is_primary())
      return lose_leadership(fmt::format("{} is the leader now", s_.view->leader->name));
    // What was stopped for a switchover, or copied, on request: it goes on as a secondary.
    if (!running() && (s_.fresh_copy || s_.handed_over)) return decide_stopped();
    if (accepting()) return decide_follow();
  }
  if (leader_key_is_mine() && is_primary()) return reclaim();
  const bool requested = s_.view->failover && s_.view->failover->candidate == s_.name();
  if (!s_.view->leader && (is_primary() || (accepting() && requested))) return decide_race();
  result(running() ? fmt::format("no action. I am ({})", s_.name()) : "PostgreSQL is not running");
}

void Core::lead_paused() {
  if (accepting() && s_.facts->in_recovery) {
    const bool requested = s_.view->failover && s_.view->failover->candidate == s_.name();
    if (requested || s_.lead.taken_on_request) return decide_lead();
    return release_leader("paused, and this server is no primary");
  }
  keep_renewing();
  if (s_.demoting && !running()) return lead_stopped();
  if (s_.page != PageState::maintenance)
    set_page(PageState::maintenance, s_.lead.epoch, s_.lead.deadline);
  if (!is_primary()) return result("PostgreSQL is not running");
  s_.lead.promoted = true;
  lead_store();
  lead_sync();  // a standby that is gone must not stop the writes until the pause ends
  if (s_.job) return;
  lead_failover_request();
  if (s_.job) return;
  lead_slots();
  result(fmt::format("no action. I am ({}), the leader with the lock", s_.name()));
}

void Core::leave_maintenance() {
  if (s_.dynamic.pause) return;
  const auto& initialize = s_.view->initialize;
  const bool known = initialize && !initialize->empty();
  // What a former agent left says may be `maintenance` (live_changes_scenario_test:
  // a_primary_without_the_lock_stops_when_its_new_agent_sees_that_the_pause_is_over).
  const bool left = !s_.page && known && is_primary() && !leader_key_is_mine();
  if (s_.page != PageState::maintenance && !left) return;
  info("pause.end", "no longer paused");
  if (s_.lead.held) return set_page(PageState::leased, s_.lead.epoch, s_.lead.deadline);
  if (!running() && !s_.job) return set_page(PageState::idle);
  // The lock was lost during the pause. Whoever may take it must not find a writer here.
  lose_leadership("the pause ended, and I do not hold the lock");
}

}  // namespace aurum::core
