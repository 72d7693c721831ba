// What operators ask for: restart, reinitialize, and configuration that wants to be applied.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

namespace {

/// "15.4" → 150004, "9.6.3" → 90603, "16" → 160000; 0 when it is no version.
int version_number(const std::string& text) {
  int part[3] = {0, 0, 0};
  const int n = std::sscanf(text.c_str(), "%d.%d.%d", &part[0], &part[1], &part[2]);
  if (n < 1) return 0;
  return part[0] >= 10 ? part[0] * 10000 + part[1] : part[0] * 10000 + part[1] * 100 + part[2];
}

bool conditions_hold(const RestartRequest& request, const model::PgFacts& facts, model::Role role) {
  if (!request.role.empty() && model::parse_role(request.role) != role) return false;
  if (!request.postgres_version.empty() &&
      facts.server_version >= version_number(request.postgres_version))
    return false;
  return !request.only_pending || !facts.pending_restart_reason.is_null();
}

}  // namespace

void Core::on(const Request& e) {
  if (const auto* restart = std::get_if<RestartRequest>(&e.what)) {
    if (restart->at) {
      if (s_.scheduled_restart) return reply(e.id, 409, "Another restart is already scheduled");
      s_.scheduled_restart =
          ScheduledRestart{*restart, s_.facts ? s_.facts->postmaster_start_time : ""};
      info("restart.scheduled", "a restart is scheduled at " + model::iso8601(*restart->at));
      return reply(e.id, 202, "Restart scheduled");
    }
    return start_restart(*restart, e.id);
  }
  if (std::holds_alternative<CancelRestart>(e.what)) {
    const bool had = s_.scheduled_restart.has_value();
    s_.scheduled_restart.reset();
    return reply(e.id, had ? 200 : 404,
                 had ? "scheduled restart deleted" : "no restarts are scheduled");
  }
  if (const auto* consent = std::get_if<ConsentRequest>(&e.what)) return promise(*consent, e.id);
  const auto& reinit = std::get<ReinitRequest>(e.what);
  if (held_by_restore()) return reply(e.id, 503, "a restore of the cluster is on");
  if (!s_.view || !s_.view->leader)
    return reply(e.id, 503, "Cluster has no leader, can not reinitialize");
  if (leader_key_is_mine() || s_.lead.held)
    return reply(e.id, 503, "I am the leader, can not reinitialize");
  const bool busy = !running_action().empty();
  if (busy && !reinit.force)
    return reply(e.id, 503, fmt::format("{} already in progress", running_action()));
  if (busy) emit(CancelJob{s_.job->id});
  s_.reinit_requested = true;
  s_.reinit_from_leader = reinit.from_leader;
  info("reinit", "reinitialize was requested");
  reply(e.id, 200, "reinitialize started");
}

void Core::start_restart(const RestartRequest& request, RequestId waiting) {
  if (s_.stopping || s_.exiting) return reply(waiting, 503, "restart failed");
  if (held_by_restore()) return reply(waiting, 503, "a restore of the cluster is on");
  // It would start what nobody leads yet as a standby, and leave it one (founding_scenario_test).
  if (s_.bootstrapping || (s_.facts && s_.facts->founding))
    return reply(waiting, 503, "bootstrap already in progress");
  if (s_.job && running_action().empty() && !s_.restart_next) {
    s_.restart_next = {request, waiting};  // the job under way takes milliseconds
    return;
  }
  if (s_.job || s_.restart_next) {
    const std::string action = running_action();
    return reply(waiting, 503,
                 fmt::format("{} already in progress", action.empty() ? "restart" : action));
  }
  if (!s_.facts || s_.facts->data_dir != model::DataDir::ready)
    return reply(waiting, 503, "restart failed");
  if (!conditions_hold(request, *s_.facts, s_.role)) {
    return reply(waiting, 503, "restart conditions are not satisfied");
  }
  if (running() && !accepting()) return reply(waiting, 503, "postgres is still starting");
  const bool primary =
      s_.lead.held && !s_.lead.standby && (running() ? is_primary() : !data_in_recovery());
  model::PgTarget target = primary ? primary_target() : replica_target(wanted_upstream());
  info("restart", "restarting PostgreSQL on request");
  s_.restart_waiting = State::Waiting{waiting, "restart"};
  const Duration limit = request.timeout.value_or(seconds(s_.dynamic.primary_start_timeout_s));
  start_job(RestartPg{target, std::max<Duration>(limit, seconds(1))});
  keep_renewing();
}

void Core::decide_requests() {
  if (s_.reinit_requested) {
    // Never without somebody to copy from: the request may be older than what is known now.
    const model::Member* leader = s_.view->leader_member();
    if (s_.lead.held || !leader_is_other() || leader == nullptr ||
        leader->state != model::PgState::running || !s_.dcs_error.empty()) {
      s_.reinit_requested = false;
      return warn("reinit.dropped", "not reinitialized: there is no leader to copy from now");
    }
    if (running()) return start_job(StopPg{model::StopMode::immediate, seconds(30), false});
    s_.reinit_requested = false;
    s_.rejoin_checked = false;
    return start_job(ClearData{.why = "reinitialize", .keep_aside = false});
  }
  if (s_.restart_next) {
    const auto [request, waiting] = *std::exchange(s_.restart_next, std::nullopt);
    return start_restart(request, waiting);
  }
  if (!s_.scheduled_restart || s_.dynamic.pause) return;
  const WallTime at = *s_.scheduled_restart->request.at;
  if (wall_ < at) return wake_at(now_ + std::chrono::microseconds(at.us - wall_.us));
  const ScheduledRestart due = *s_.scheduled_restart;
  s_.scheduled_restart.reset();
  if (s_.facts && s_.facts->postmaster_start_time != due.postmaster_start_time) {
    return info("restart.skipped",
                "the scheduled restart is not needed: PostgreSQL was restarted since");
  }
  start_restart(due.request, 0);
}

void Core::configure_if_needed() {
  const bool current = s_.applied_dynamic == s_.dynamic_tree && !s_.reload_asked;
  if (s_.job || current || !s_.start_backoff.may_try(now_)) return;
  // Also the first configuration of a server that this agent found running (adoption): a primary's
  // once the lock proves that what we read is not old; a replica's when its upstream is decided.
  if (s_.applied) return configure(*s_.applied);
  if (is_primary() && s_.lead.held) configure(primary_target());
}

void Core::configure(const model::PgTarget& target) {
  start_job(Configure{target, std::exchange(s_.reload_asked, false)});
}

std::string Core::running_action() const {
  if (!s_.job || job_is<Configure>() || job_is<Inspect>()) return "";
  const Job& job = s_.job->job;
  if (std::holds_alternative<InitDb>(job)) return "bootstrap";
  if (const auto* clone = std::get_if<Clone>(&job)) {
    return fmt::format("bootstrap from leader '{}'",
                       clone->sources.empty() ? "" : clone->sources.front().name);
  }
  if (std::holds_alternative<ClearData>(job)) return "reinitialize";
  if (const auto* rewind = std::get_if<Rewind>(&job))
    return "running pg_rewind from " + rewind->source.name;
  if (std::holds_alternative<StartPg>(job)) {
    return s_.crash_since ? "restarting after failure" : "starting after demotion";
  }
  return std::string(name_of(job));
}

}  // namespace aurum::core
