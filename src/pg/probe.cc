#include "pg/probe.h"

#include <charconv>
#include <cstdlib>

#include "pg/conninfo.h"

namespace aurum::pg {

namespace {

/// A standby's timeline without its WAL receiver, as after its primary died: pg_control may lag
/// behind by a whole timeline until the next restart point, so the WAL files tell. Too low a one
/// reads like divergence.
constexpr const char* kMain = R"sql(
SELECT r AS in_recovery,
  CASE WHEN r THEN NULL ELSE pg_current_wal_flush_lsn() END AS flush_lsn,
  CASE WHEN r THEN NULL ELSE pg_current_wal_insert_lsn() END AS insert_lsn,
  CASE WHEN r THEN greatest(pg_last_wal_receive_lsn(), w.written_lsn) END AS received_lsn,
  CASE WHEN r THEN pg_last_wal_replay_lsn() END AS replayed_lsn,
  CASE WHEN r THEN w.latest_end_lsn END AS latest_end_lsn,
  to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00'
    AS replayed_timestamp,
  extract(epoch FROM pg_last_xact_replay_timestamp()) AS replayed_epoch,
  CASE WHEN r THEN pg_is_wal_replay_paused() END AS replay_paused,
  CASE WHEN r THEN greatest(w.received_tli, c.min_recovery_end_timeline,
                            (SELECT timeline_id FROM pg_control_checkpoint()),
                            CASE WHEN w.pid IS NULL THEN (SELECT max(('x' || substr(name, 1, 8))::bit(32)::int)
                              FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$') END)
       ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END AS timeline,
  CASE WHEN NOT r THEN '' WHEN w.status = 'streaming' THEN 'streaming'
       WHEN current_setting('restore_command') <> '' THEN 'in archive recovery' ELSE '' END AS replication_state,
  to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00' AS started,
  extract(epoch FROM pg_postmaster_start_time()) AS started_epoch,
  current_setting('server_version_num') AS version,
  (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
  current_setting('synchronous_standby_names') AS sync_names,
  current_setting('synchronous_commit') AS sync_commit,
  CASE WHEN r THEN current_setting('primary_conninfo') ELSE '' END AS conninfo,
  CASE WHEN r THEN current_setting('primary_slot_name') ELSE '' END AS slot_name
FROM (SELECT pg_is_in_recovery() AS r OFFSET 0) q
LEFT JOIN pg_stat_get_wal_receiver() w ON w.pid IS NOT NULL
CROSS JOIN pg_control_recovery() c;
)sql";

constexpr const char* kSenders = R"sql(
SELECT usename, application_name, client_addr, state, sync_state, sync_priority,
  sent_lsn, write_lsn, flush_lsn, replay_lsn FROM pg_stat_replication ORDER BY application_name, pid;
)sql";

constexpr const char* kSettings = R"sql(
SELECT s.name, s.setting, s.unit, s.vartype, current_setting(s.name) AS shown,
  CASE WHEN s.pending_restart THEN coalesce((SELECT f.setting FROM pg_file_settings f WHERE f.name = s.name
    ORDER BY f.seqno DESC LIMIT 1), s.boot_val) END AS later
FROM pg_settings s WHERE s.context = 'postmaster';
)sql";

model::Lsn lsn_of(const std::string& text) {
  auto lsn = model::parse_lsn(text);
  return lsn ? *lsn : model::Lsn{};
}

std::optional<model::Lsn> optional_lsn(const Rows& rows, std::size_t row, std::string_view column) {
  if (rows.is_null(row, column)) return std::nullopt;
  auto lsn = model::parse_lsn(rows.text(row, column));
  return lsn ? std::optional(*lsn) : std::nullopt;
}

std::int64_t number(const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); }

void read_senders(const Rows& rows, model::PgFacts& facts) {
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    model::WalSender s;
    s.usename = rows.text(i, "usename");
    s.application_name = rows.text(i, "application_name");
    s.client_addr = rows.text(i, "client_addr");
    s.state = rows.text(i, "state");
    s.sync_state = rows.text(i, "sync_state");
    s.sync_priority = static_cast<int>(number(rows.text(i, "sync_priority")));
    s.sent_lsn = lsn_of(rows.text(i, "sent_lsn"));
    s.write_lsn = lsn_of(rows.text(i, "write_lsn"));
    s.flush_lsn = lsn_of(rows.text(i, "flush_lsn"));
    s.replay_lsn = lsn_of(rows.text(i, "replay_lsn"));
    facts.senders.push_back(std::move(s));
  }
}

void read_slots(const Rows& rows, model::PgFacts& facts) {
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    model::Slot s;
    s.name = rows.text(i, "slot_name");
    s.logical = rows.text(i, "slot_type") == "logical";
    s.active = rows.text(i, "active") == "t";
    s.temporary = rows.text(i, "temporary") == "t";
    s.failover = rows.text(i, "failover") == "t";
    s.database = rows.text(i, "database");
    s.plugin = rows.text(i, "plugin");
    s.restart_lsn = optional_lsn(rows, i, "restart_lsn");
    s.confirmed_flush_lsn = optional_lsn(rows, i, "confirmed_flush_lsn");
    s.wal_status = rows.text(i, "wal_status");
    s.has_xmin = !rows.is_null(i, "xmin") || !rows.is_null(i, "catalog_xmin");
    facts.slots.push_back(std::move(s));
  }
}

}  // namespace

std::string probe_sql(int version, bool with_settings) {
  std::string out = std::string(kMain) + kSenders;
  out += "SELECT slot_name, slot_type, active, temporary, ";
  out += version >= 170000 ? "failover" : "false AS failover";
  out +=
      ", database, plugin, restart_lsn, confirmed_flush_lsn, wal_status, xmin, catalog_xmin "
      "FROM pg_replication_slots ORDER BY slot_name;";
  if (with_settings) out += kSettings;
  return out;
}

Result<ProbeAnswer> read_probe(const std::vector<Rows>& answer, model::PgFacts& facts) {
  if (answer.size() < 3 || answer[0].rows.size() != 1)
    return fail(Code::protocol, "the probe's answer has another shape than its question");
  const Rows& main = answer[0];
  auto text = [&](std::string_view column) { return main.text(0, column); };
  facts.in_recovery = text("in_recovery") == "t";
  facts.flush_lsn = lsn_of(text("flush_lsn"));
  facts.received_lsn = optional_lsn(main, 0, "received_lsn");
  facts.replayed_lsn = optional_lsn(main, 0, "replayed_lsn");
  facts.latest_end_lsn = optional_lsn(main, 0, "latest_end_lsn");
  if (facts.in_recovery) {
    facts.replayed_timestamp = text("replayed_timestamp");
    facts.replayed_timestamp_epoch = std::strtod(text("replayed_epoch").c_str(), nullptr);
    facts.replay_paused = text("replay_paused") == "t";
  }
  facts.timeline = static_cast<model::Timeline>(number(text("timeline")));
  facts.replication_state = text("replication_state");
  facts.postmaster_start_time = text("started");
  facts.postmaster_start_epoch = std::strtod(text("started_epoch").c_str(), nullptr);
  facts.server_version = static_cast<int>(number(text("version")));
  facts.system_identifier = text("system_identifier");
  facts.synchronous_standby_names = text("sync_names");
  facts.synchronous_commit = text("sync_commit");
  if (const auto conninfo = text("conninfo"); !conninfo.empty()) {
    auto upstream = upstream_of_conninfo(conninfo);
    facts.primary_conninfo_host = upstream.host;
    facts.primary_conninfo_port = upstream.port;
  }
  facts.primary_slot_name = text("slot_name");
  read_senders(answer[1], facts);
  read_slots(answer[2], facts);

  ProbeAnswer out;
  out.insert_lsn = lsn_of(text("insert_lsn"));
  if (answer.size() > 3)
    for (std::size_t i = 0; i < answer[3].rows.size(); ++i) {
      const auto& rows = answer[3];
      out.settings.push_back({rows.text(i, "name"), rows.text(i, "setting"), rows.text(i, "unit"),
                              rows.text(i, "vartype"), rows.text(i, "shown"),
                              rows.is_null(i, "later") ? "" : rows.text(i, "later")});
    }
  return out;
}

bool FlushWatch::observe(model::Lsn insert, model::Lsn flush, Instant now, Duration patience) {
  if (insert <= flush || flush != flush_) {
    flush_ = flush;
    since_ = insert > flush ? now : Instant{};
    return false;
  }
  if (since_.ns == 0) since_ = now;
  return now - since_ >= patience;
}

}  // namespace aurum::pg
