#include "model/cluster.h"

/// GET /cluster (PATRONI_COMPAT §2.4).
namespace aurum::model {
namespace {

bool is_standby_cluster(const ClusterView& view) {
  const Value* section = view.config.find("standby_cluster");
  if (section != nullptr)
    for (std::string_view key : {"host", "port", "restore_command"})
      if (const Value* value = section->find(key); value != nullptr && !value->empty()) return true;
  const Member* leader = view.leader_member();
  return view.config.is_null() && leader != nullptr && leader->role == Role::standby_leader;
}

std::string_view shown_role(const ClusterView& view, const Member& m, bool standby_cluster) {
  if (view.leader && view.leader->name == m.name)
    return standby_cluster ? "standby_leader" : "leader";
  if (!view.sync.leader.empty() && view.sync.has(m.name)) {
    const Value* mode = view.config.find("synchronous_mode");
    return mode != nullptr && mode->text() == "quorum" ? "quorum_standby" : "sync_standby";
  }
  return "replica";
}

/// "<prefix>lag" and "<prefix>lsn"; the position comes first when it is unknown.
void add_position(Value& out, const std::string& prefix, const std::optional<Lsn>& lsn,
                  const std::optional<Lsn>& leader_lsn) {
  if (!lsn) {
    out.set(prefix + "lsn", "unknown");
    out.set(prefix + "lag", "unknown");
    return;
  }
  if (leader_lsn) {
    const auto behind = *leader_lsn > *lsn ? leader_lsn->value - lsn->value : 0;
    out.set(prefix + "lag", static_cast<std::int64_t>(behind));
  } else {
    out.set(prefix + "lag", "unknown");
  }
  out.set(prefix + "lsn", to_string(*lsn));
}

Value member_document(const ClusterView& view, const Member& m, bool standby_cluster) {
  const std::string_view role = shown_role(view, m, standby_cluster);
  Value out = Value::object();
  out.set("name", m.name);
  out.set("role", role);
  const bool replicates = role != "leader" && !m.replication_state.empty();
  out.set("state", replicates ? std::string_view(m.replication_state) : to_string(m.state));
  if (!m.api_url.empty()) out.set("api_url", m.api_url);
  if (const auto at = parse_url_host(m.conn_url)) {
    out.set("host", at->host);
    out.set("port", at->port == 0 ? 5432 : at->port);
  }
  if (m.timeline) out.set("timeline", std::int64_t{*m.timeline});
  if (m.pending_restart) out.set("pending_restart", true);
  if (!m.pending_restart_reason.empty())
    out.set("pending_restart_reason", m.pending_restart_reason);
  if (!m.scheduled_restart.empty()) out.set("scheduled_restart", m.scheduled_restart);
  if (!m.tags.empty()) out.set("tags", m.tags);
  if (view.leader_name() != m.name) {
    add_position(out, "receive_", m.receive_lsn, view.status.optime);
    add_position(out, "replay_", m.replay_lsn, view.status.optime);
    add_position(out, "", m.xlog_location, view.status.optime);
  }
  return out;
}

/// A key that Patroni's document does not have, and only while a restore of the cluster is on.
Value restore_document(const Restore& restore) {
  Value out = Value::object();
  out.set("id", restore.id);
  out.set("step", to_string(restore.step));
  out.set("node", restore.node);
  out.set("backup", restore.backup);
  out.set("target", describe(restore.target));
  if (!restore.marks.empty()) out.set("since", restore.marks.back().at);
  if (!restore.error.empty()) out.set("error", restore.error);
  return out;
}

}  // namespace

Value cluster_document(const ClusterView& view, std::string_view scope) {
  const bool standby_cluster = is_standby_cluster(view);
  Value out = Value::object();
  Value& members = out.set("members", Value::array());
  for (const auto& [name, member] : view.members)
    members.push_back(member_document(view, member, standby_cluster));
  if (const Value* pause = view.config.find("pause"); pause && read_bool(*pause).value_or(false))
    out.set("pause", true);
  if (view.failover && !view.failover->scheduled_at.empty()) {
    Value& planned = out.set("scheduled_switchover", Value::object());
    planned.set("at", view.failover->scheduled_at);
    if (!view.failover->leader.empty()) planned.set("from", view.failover->leader);
    if (!view.failover->candidate.empty()) planned.set("to", view.failover->candidate);
  }
  if (view.restore) out.set("restore", restore_document(*view.restore));
  out.set("scope", scope);
  return out;
}

}  // namespace aurum::model
