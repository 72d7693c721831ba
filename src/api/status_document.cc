#include "api/status_document.h"

namespace aurum::api {
namespace {

using model::PgState;
using model::Role;
using model::Value;

Value number(model::Lsn lsn) { return static_cast<std::int64_t>(lsn.value); }

/// PostgreSQL is asked only in these states.
bool may_answer(PgState state) {
  return state == PgState::running || state == PgState::restarting || state == PgState::starting;
}

bool answered(const NodeView& view) { return view.facts.accepting && may_answer(view.state); }

Value xlog(const model::PgFacts& facts) {
  Value out = Value::object();
  if (!facts.in_recovery) {
    out.set("location", number(facts.flush_lsn));
    return out;
  }
  const model::Lsn replayed = facts.replayed_lsn.value_or(model::Lsn{});
  out.set("received_location", number(facts.received_lsn.value_or(replayed)));
  out.set("replayed_location", number(replayed));
  out.set("replayed_timestamp",
          facts.replayed_timestamp.empty() ? Value() : Value(facts.replayed_timestamp));
  out.set("paused", facts.replay_paused);
  return out;
}

Value replication(const model::PgFacts& facts) {
  Value out = Value::array();
  for (const auto& sender : facts.senders) {
    Value row = Value::object();
    row.set("usename", sender.usename);
    row.set("application_name", sender.application_name);
    row.set("client_addr", sender.client_addr.empty() ? Value() : Value(sender.client_addr));
    row.set("state", sender.state);
    row.set("sync_state", sender.sync_state);
    row.set("sync_priority", sender.sync_priority);
    out.push_back(std::move(row));
  }
  return out;
}

std::string system_identifier(const NodeView& view) {
  if (!view.facts.system_identifier.empty()) return view.facts.system_identifier;
  if (view.facts.control) return view.facts.control->system_identifier;
  if (view.cluster != nullptr) return view.cluster->initialize.value_or("");
  return {};
}

void add_server_facts(Value& out, const NodeView& view) {
  const auto& facts = view.facts;
  out.set("server_version", facts.server_version);
  out.set("xlog", xlog(facts));
  const auto standing = sync_standing(view);
  if (standing == SyncStanding::sync) out.set("sync_standby", true);
  if (standing == SyncStanding::quorum) out.set("quorum_standby", true);
  out.set("timeline", std::int64_t{facts.timeline});
  if (facts.in_recovery && !facts.replication_state.empty())
    out.set("replication_state", facts.replication_state);
  if (!facts.senders.empty()) out.set("replication", replication(facts));
}

}  // namespace

PgState shown_state(const NodeView& view) {
  return view.state == PgState::running && !view.facts.accepting ? PgState::unknown : view.state;
}

bool is_standby_cluster(const NodeView& view) {
  return view.dynamic != nullptr && view.dynamic->standby_cluster.has_value();
}

std::string shown_role(const NodeView& view) {
  if (!answered(view) || is_standby_cluster(view)) return std::string(to_string(view.role));
  return view.facts.in_recovery ? "replica" : "primary";
}

SyncStanding sync_standing(const NodeView& view) {
  if (view.cluster == nullptr || view.config == nullptr || view.is_leader)
    return SyncStanding::none;
  if (shown_role(view) != "replica") return SyncStanding::none;
  const auto& sync = view.cluster->sync;
  if (sync.leader.empty() || !sync.has(view.config->name)) return SyncStanding::none;
  const bool quorum =
      view.dynamic != nullptr && view.dynamic->synchronous_mode == model::SyncMode::quorum;
  return quorum ? SyncStanding::quorum : SyncStanding::sync;
}

Value status_document(const NodeView& view, const core::Identity& identity) {
  const bool query_worked = answered(view);
  Value out = Value::object();
  out.set("state", to_string(shown_state(view)));
  if (query_worked) out.set("postmaster_start_time", view.facts.postmaster_start_time);
  out.set("role", shown_role(view));
  if (query_worked) add_server_facts(out, view);
  if (view.paused) out.set("pause", true);
  if (view.cluster_unlocked) out.set("cluster_unlocked", true);
  if (view.failsafe_active) out.set("failsafe_mode_is_active", true);
  out.set("dcs_last_seen", view.dcs_last_seen_epoch_s);
  if (!view.effective_tags.empty()) out.set("tags", view.effective_tags);
  if (auto id = system_identifier(view); !id.empty()) out.set("database_system_identifier", id);
  if (!view.facts.pending_restart_reason.empty()) {
    out.set("pending_restart", true);
    out.set("pending_restart_reason", view.facts.pending_restart_reason);
  }
  Value program = Value::object();
  program.set("version", identity.patroni_version);
  program.set("scope", view.config == nullptr ? "" : view.config->scope);
  program.set("name", view.config == nullptr ? "" : view.config->name);
  out.set("patroni", std::move(program));
  if (!view.scheduled_restart.empty()) {
    Value shown = view.scheduled_restart;
    shown.erase("postmaster_start_time");
    out.set("scheduled_restart", std::move(shown));
  }
  if (view.watchdog_failed) out.set("watchdog_failed", true);
  // Ours, behind everything that readers of a Patroni know.
  Value own = Value::object();
  if (!view.running_action.empty()) own.set("action", view.running_action);
  if (!view.running_action.empty() && !view.progress.empty()) own.set("progress", view.progress);
  if (view.development) own.set("development", true);
  if (!own.empty()) out.set("aurum", std::move(own));
  return out;
}

}  // namespace aurum::api
