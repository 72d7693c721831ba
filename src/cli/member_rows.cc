#include "cli/member_rows.h"

#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "model/value.h"

namespace aurum::cli {

namespace {

using model::Value;

constexpr double kMegabyte = 1024.0 * 1024.0;
constexpr std::size_t kReasonWidthMax = 50;

/// A member ready for every format: scalars as they go into json, tags and reasons still
/// structured.
struct Row {
  std::string name, host, role, state;
  Value timeline, receive_lsn, receive_lag, replay_lsn, replay_lag;
  bool pending_restart = false;
  Value pending_reason, tags;
  std::string scheduled_restart;
};

std::string title_case(std::string_view role) {
  std::string out;
  for (const char c : role) {
    const bool starts = out.empty() || out.back() == ' ';
    if (c == '_')
      out += ' ';
    else
      out += starts && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return out;
}

Value member_value(const Value& member, std::string_view key) {
  const Value* found = member.find(key);
  return found != nullptr ? *found : Value();
}

/// Bytes to megabytes, rounded half to even; "unknown" and absent both stay empty.
Value megabytes(const Value& bytes) {
  if (!bytes.is_int()) return {};
  return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(bytes.as_int()) / kMegabyte));
}

std::string scheduled_text(const Value& request) {
  if (!request.is_object()) return {};
  std::string out = member_value(request, "schedule").text();
  if (const Value* version = request.find("postgres_version"))
    out += fmt::format(" if version < {}", version->text());
  return out;
}

/// The port is worth a column's space only where it tells members apart or is not the usual one.
bool ports_matter(const Value& members) {
  std::set<std::string> hosts;
  for (const Value& member : members.as_array()) {
    const Value port = member_value(member, "port");
    if (port.is_int() && port.as_int() != 5432) return true;
    const std::string host = member_value(member, "host").text();
    if (!host.empty() && !hosts.insert(host).second) return true;
  }
  return false;
}

std::string host_text(const Value& member, bool with_port) {
  const std::string host = member_value(member, "host").text();
  const Value port = member_value(member, "port");
  if (host.empty() || !with_port || !port.is_int()) return host;
  return fmt::format("{}:{}", host, port.as_int());
}

Row read_row(const Value& member, bool with_port) {
  Row row;
  row.name = member_value(member, "name").text();
  row.host = host_text(member, with_port);
  row.role = title_case(member_value(member, "role").text());
  row.state = member_value(member, "state").text();
  row.timeline = member_value(member, "timeline");
  row.receive_lsn = member_value(member, "receive_lsn");
  row.receive_lag = megabytes(member_value(member, "receive_lag"));
  row.replay_lsn = member_value(member, "replay_lsn");
  row.replay_lag = megabytes(member_value(member, "replay_lag"));
  const Value pending = member_value(member, "pending_restart");
  row.pending_restart = pending.is_bool() && pending.as_bool();
  row.pending_reason = member_value(member, "pending_restart_reason");
  row.scheduled_restart = scheduled_text(member_value(member, "scheduled_restart"));
  row.tags = member_value(member, "tags");
  return row;
}

std::string reason_text(const Value& reasons, bool shorten) {
  if (!reasons.is_object()) return {};
  std::string out;
  for (const auto& [setting, change] : reasons.as_object()) {
    std::string line = fmt::format("{}: {}->{}", setting, member_value(change, "old_value").text(),
                                   member_value(change, "new_value").text());
    if (shorten && display_width(line) > kReasonWidthMax)
      line = fmt::format("{}: [hidden - too long]", setting);
    out += (out.empty() ? "" : "\n") + line;
  }
  return out;
}

std::string tags_text(const Value& tags, bool flow) {
  if (tags.empty()) return {};
  std::string text = model::to_yaml(tags, {.sort_keys = true, .flow = flow, .width = 1 << 20});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

/// Which of the columns that are usually empty to show.
struct Extras {
  bool pending = false, reason = false, scheduled = false, tags = false;
};

Extras extras_of(const std::vector<Row>& rows, bool extended) {
  Extras show{extended, extended, extended, extended};
  for (const Row& row : rows) {
    show.pending |= row.pending_restart;
    show.reason |= !row.pending_reason.empty();
    show.scheduled |= !row.scheduled_restart.empty();
    show.tags |= !row.tags.empty();
  }
  return show;
}

Records records_of(const std::vector<Row>& rows, std::string_view scope, const ListStyle& style) {
  const Extras show = extras_of(rows, style.extended);
  Records out;
  out.columns = {"Cluster"};
  if (!style.group.empty()) out.columns.emplace_back("Group");
  for (const auto* name : {"Member", "Host", "Role", "State", "TL", "Receive LSN", "Receive Lag",
                           "Replay LSN", "Replay Lag"})
    out.columns.emplace_back(name);
  if (show.pending) out.columns.emplace_back("Pending restart");
  if (show.reason) out.columns.emplace_back("Pending restart reason");
  if (show.scheduled) out.columns.emplace_back("Scheduled restart");
  if (show.tags) out.columns.emplace_back("Tags");
  for (const Row& row : rows) {
    std::vector<Value> values = {Value(scope)};
    if (!style.group.empty()) values.push_back(model::parse_yaml(style.group).value_or(Value()));
    for (const auto& value :
         {Value(row.name), Value(row.host), Value(row.role), Value(row.state), row.timeline,
          row.receive_lsn, row.receive_lag, row.replay_lsn, row.replay_lag})
      values.push_back(value);
    if (show.pending) values.emplace_back(row.pending_restart ? "*" : "");
    if (show.reason) values.emplace_back(reason_text(row.pending_reason, false));
    if (show.scheduled) values.emplace_back(row.scheduled_restart);
    if (show.tags) values.push_back(row.tags);
    out.rows.push_back(std::move(values));
  }
  return out;
}

std::string_view role_colour(const Row& row) {
  if (row.role.ends_with("Leader")) return "\033[1;32m";
  if (row.role == "Sync Standby" || row.role == "Quorum Standby") return "\033[36m";
  return "";
}

std::string_view state_colour(const Row& row) {
  if (row.state == "running" || row.state == "streaming") return "\033[32m";
  if (row.state.ends_with("failed") || row.state == "crashed" || row.state == "stopped")
    return "\033[31m";
  return "\033[33m";
}

std::string title_of(const model::ClusterView& view, std::string_view scope,
                     const ListStyle& style) {
  const std::string identity = !view.initialize           ? "uninitialized"
                               : view.initialize->empty() ? "initializing"
                                                          : *view.initialize;
  if (style.group.empty()) return fmt::format(" Cluster: {} ({}) ", scope, identity);
  return fmt::format(" Citus cluster: {} (group: {}, {}) ", scope, style.group, identity);
}

Table table_of(const std::vector<Row>& rows, std::string title, const ListStyle& style) {
  const Extras show = extras_of(rows, style.extended);
  const bool flow = style.format == Format::topology;
  Table table{std::move(title), {}, {}};
  if (!style.group.empty()) table.columns.push_back({"Group", Align::right});
  for (const auto* name : {"Member", "Host", "Role", "State"}) table.columns.push_back({name});
  for (const auto* name : {"TL", "Receive LSN", "Lag", "Replay LSN", "Lag"})
    table.columns.push_back({name, Align::right});
  if (show.pending) table.columns.push_back({"Pending restart"});
  if (show.reason) table.columns.push_back({"Pending restart reason"});
  if (show.scheduled) table.columns.push_back({"Scheduled restart"});
  if (show.tags) table.columns.push_back({"Tags"});
  for (const Row& row : rows) {
    std::vector<Cell> cells;
    if (!style.group.empty()) cells.push_back({style.group});
    cells.push_back({row.name});
    cells.push_back({row.host});
    cells.push_back({row.role, style.colour ? role_colour(row) : ""});
    cells.push_back({row.state, style.colour ? state_colour(row) : ""});
    for (const Value* value :
         {&row.timeline, &row.receive_lsn, &row.receive_lag, &row.replay_lsn, &row.replay_lag})
      cells.push_back({value->text()});
    if (show.pending) cells.push_back({row.pending_restart ? "*" : ""});
    if (show.reason) cells.push_back({reason_text(row.pending_reason, true)});
    if (show.scheduled) cells.push_back({row.scheduled_restart});
    if (show.tags) cells.push_back({tags_text(row.tags, flow)});
    table.rows.push_back(std::move(cells));
  }
  return table;
}

std::string restore_footer(const Value& restore) {
  const auto text = [&](std::string_view key) { return member_value(restore, key).text(); };
  std::string out =
      fmt::format(" Restore to {}: {}, on {}\n", text("target"), text("step"), text("node"));
  if (restore.find("error") != nullptr) out += fmt::format("   stands still: {}\n", text("error"));
  return out;
}

std::string footer_of(const Value& document) {
  std::string out;
  if (const Value restore = member_value(document, "restore"); restore.is_object())
    out += restore_footer(restore);
  if (const Value pause = member_value(document, "pause"); pause.is_bool() && pause.as_bool())
    out += " Maintenance mode: on\n";
  const Value planned = member_value(document, "scheduled_switchover");
  if (!planned.is_object()) return out;
  out += fmt::format(" Switchover scheduled at: {}\n", member_value(planned, "at").text());
  for (const auto* side : {"from", "to"})
    if (const Value* name = planned.find(side))
      out += fmt::format("{:>24}: {}\n", side, name->text());
  return out;
}

std::vector<Row> in_topology_order(const model::ClusterView& view, std::vector<Row> rows) {
  std::map<std::string, Row> by_name;
  for (Row& row : rows) by_name.emplace(row.name, std::move(row));
  std::vector<Row> out;
  for (const auto& [name, depth] : topology_order(view)) {
    out.push_back(std::move(by_name.at(name)));
    if (depth > 0) out.back().name = fmt::format("{}+ {}", std::string(2 * (depth - 1), ' '), name);
  }
  return out;
}

}  // namespace

std::string render_members(const model::ClusterView& view, std::string_view scope,
                           const ListStyle& style) {
  const Value document = model::cluster_document(view, scope);
  const Value members = member_value(document, "members");
  const bool with_port = ports_matter(members);
  std::vector<Row> rows;
  for (const Value& member : members.as_array()) rows.push_back(read_row(member, with_port));

  if (style.format != Format::pretty && style.format != Format::topology)
    return render_records(records_of(rows, scope, style), style.format);
  if (style.format == Format::topology) rows = in_topology_order(view, std::move(rows));
  return render(table_of(rows, title_of(view, scope, style), style)) + footer_of(document);
}

}  // namespace aurum::cli
