// Maintenance mode (PATRONI_COMPAT §8.6): the lock is kept, PostgreSQL is left alone.
//
// What must stay true (docs/decisions/0009): while the lease page says `maintenance` and the server
// may write, the key `aurum_maintenance` names this member, and nobody else takes the lock. So the
// key is written before the page, and goes after it. The page stops saying so when the pause ends,
// another member leads, or the key is gone.

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
  if (leader_key_is_mine() && (is_primary() || in_standby_cluster())) return reclaim();
  const bool requested = s_.view->failover && s_.view->failover->candidate == s_.name();
  if (!s_.view->leader && (is_primary() || (accepting() && requested))) return decide_race();
  result(running() ? fmt::format("no action. I am ({})", s_.name()) : "PostgreSQL is not running");
}

void Core::lead_paused() {
  if (s_.lead.standby) return lead_standby_paused();
  if (accepting() && s_.facts->in_recovery) {
    const bool requested = s_.view->failover && s_.view->failover->candidate == s_.name();
    if (requested || s_.lead.taken_on_request) return decide_lead();
    return release_leader("paused, and this server is no primary");
  }
  if (s_.lead.keyless) return regain_lock();
  keep_renewing();
  if (s_.lead.moving || s_.lead.beat) move_to_new_lease();
  if (s_.demoting && !running()) return lead_stopped();
  enter_maintenance();
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

bool Core::maintenance_key_is_mine() const {
  return s_.view && s_.view->maintenance && s_.view->maintenance->name == s_.name();
}

/// Always written anew, whatever is known of it: a removal that is still on its way must fail
/// (maintenance_scenario_test: a_late_removal_of_the_key_…).
void Core::enter_maintenance() {
  if (s_.page == PageState::maintenance || !may_write("enter maintenance")) return;
  maintenance_epoch_ = s_.lead.epoch;
  write("enter maintenance",
        as_leader({{.key = std::string(model::kMaintenanceKey), .value = s_.name()}}));
}

void Core::leave_maintenance() {
  const bool mine = maintenance_key_is_mine();
  // An operator made another member lead, or removed the key.
  const bool taken = s_.page == PageState::maintenance && !mine && view_has_our_writes();
  if (s_.dynamic.pause && !taken) return;
  const auto& initialize = s_.view->initialize;
  const bool known = initialize && !initialize->empty();
  // What a former agent left says may be `maintenance`, also one that wrote no key yet.
  const bool left = !s_.page && known && (is_primary() || mine) && !leader_key_is_mine();
  if (s_.page != PageState::maintenance && !left) return;
  // The lock was lost during the pause, and nobody may have taken it: this server has every row, so
  // it goes on (maintenance_scenario_test).
  if (!s_.lead.held && mine && !s_.view->leader && is_primary()) return;
  const bool was_paused = mine || s_.page == PageState::maintenance;
  if (was_paused) info("pause.end", "no longer paused");
  if (s_.lead.held) {
    set_page(PageState::leased, s_.lead.epoch, s_.lead.deadline);
    return arm_watchdog();
  }
  if (!running() && !s_.job) return set_page(PageState::idle);
  lose_leadership(was_paused ? "the pause ended, and I do not hold the lock"
                             : "PostgreSQL is a primary here, and I do not hold the lock");
}

/// The page says something else by now: others may lead.
void Core::settle_maintenance() {
  if (!maintenance_key_is_mine() || !s_.page || s_.page == PageState::maintenance) return;
  const bool wanted = s_.dynamic.pause && s_.lead.held;
  if (wanted || !may_write("leave maintenance")) return;
  const model::MaintenanceKey& key = *s_.view->maintenance;
  write(
      "leave maintenance",
      {.when = {{.key = std::string(model::kMaintenanceKey),
                 .what = model::Compare::What::mod_revision,
                 .number = key.mod_revision}},
       .then = {{.what = model::Write::What::erase, .key = std::string(model::kMaintenanceKey)}}});
}

}  // namespace aurum::core
