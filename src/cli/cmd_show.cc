#include <ostream>

#include <fmt/format.h>

#include "base/version.h"
#include "cli/member_rows.h"
#include "cli/records.h"
#include "cli/session.h"
#include "cli/timestamp.h"

/// Commands that only look: list, topology, history, dsn, version.
namespace aurum::cli {

namespace {

constexpr Duration kCallTimeout = seconds(10);

Result<std::vector<ClusterId>> clusters_of(const Session& session) {
  if (session.options.names.empty())
    return cluster_of(session).map(
        [](ClusterId id) { return std::vector<ClusterId>{std::move(id)}; });
  std::vector<ClusterId> out;
  for (const auto& name : session.options.names) out.push_back({name, session.options.group});
  return out;
}

Result<std::string> listing(Session& session, const std::vector<ClusterId>& clusters,
                            Format format) {
  std::string out;
  if (session.options.timestamp) out += local_seconds(session.world.wall_now()) + "\n";
  for (const ClusterId& cluster : clusters) {
    const auto view = session.world.read(cluster);
    if (!view) return fail(view.error());
    out +=
        render_members(*view, cluster.scope,
                       {format, session.options.extended, session.console.colour, cluster.group});
    const auto hint = unknown_cluster_hint(session, cluster, *view);
    if (!hint.empty() && !session.console.patronictl)
      session.console.err << "hint: " << hint << "\n";
  }
  return out;
}

/// Overwrites the screen in place, so that a redraw does not flicker.
std::string redrawn(std::string_view text) {
  std::string out = "\033[H";
  for (const char c : text) out += c == '\n' ? std::string("\033[K\n") : std::string(1, c);
  return out + "\033[J";
}

Done show(Session& session, Format format) {
  const auto clusters = clusters_of(session);
  if (!clusters) return fail(clusters.error());
  const auto every = redraw_interval(session.options);
  if (every && session.console.terminal) session.console.out << "\033[2J";
  bool tells = !session.notice.empty() && !session.console.patronictl;
  for (;;) {
    auto text = listing(session, *clusters, format);
    // A watch goes on through an outage of the store: that is when people look.
    if (!text && !every) return fail(text.error());
    const std::string shown = text ? *text : fmt::format("Error: {}\n", text.error().message);
    session.console.out << (every && session.console.terminal ? redrawn(shown) : shown)
                        << std::flush;
    if (tells) session.console.err << "warning: " << session.notice << "\n" << std::flush;
    // A redraw wipes it off the screen; into a file it goes once.
    tells = tells && session.console.terminal;
    if (!every || !session.console.out) return 0;
    session.world.sleep(*every);
  }
}

/// "15.20" of 150020, "9.6.3" of 90603.
std::string server_version_text(std::int64_t number) {
  if (number >= 100000) return fmt::format("{}.{}", number / 10000, number % 10000);
  return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

std::string version_line(Session& session, const model::Member& member) {
  const auto reply = session.world.call(member, "GET", "/patroni", {}, kCallTimeout);
  if (!reply)
    return fmt::format("{}: failed to get version: {}\n", member.name, reply.error().message);
  const auto document = model::parse_json(reply->body);
  if (!document)
    return fmt::format("{}: failed to get version: {}\n", member.name, document.error().message);
  const model::Value* agent = document->at({"patroni", "version"});
  const model::Value* server = document->find("server_version");
  std::string line = fmt::format("{}: Patroni {}", member.name, agent ? agent->text() : "unknown");
  if (server != nullptr && server->is_int())
    line += fmt::format(" PostgreSQL {}", server_version_text(server->as_int()));
  return line + "\n";
}

}  // namespace

Done run_list(Session& session) {
  return show(session, parse_format(session.options.format).value_or(Format::pretty));
}

Done run_topology(Session& session) { return show(session, Format::topology); }

Done run_history(Session& session) {
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = session.world.read(*cluster);
  if (!view) return fail(view.error());
  Records records{{"TL", "LSN", "Reason", "Timestamp", "New Leader"}, {}, true};
  for (const auto& entry : view->history)
    records.rows.push_back({std::int64_t{entry.timeline},
                            static_cast<std::int64_t>(entry.lsn.value), entry.reason, entry.time,
                            entry.new_leader});
  const Format format = parse_format(session.options.format).value_or(Format::pretty);
  if (format != Format::pretty && format != Format::topology) {
    session.console.out << render_records(records, format);
    return 0;
  }
  Table table = table_of(records);
  table.columns[0].align = table.columns[1].align = Align::right;
  session.console.out << render(table);
  return 0;
}

Done run_dsn(Session& session) {
  const Options& o = session.options;
  if (!o.role.empty() && !o.member.empty())
    return fail(Code::invalid, "--role and --member are mutually exclusive options");
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = session.world.read(*cluster);
  if (!view) return fail(view.error());
  auto members = members_with_role(*view, !o.member.empty() ? "any"
                                          : o.role.empty()  ? "leader"
                                                            : std::string_view(o.role));
  for (const auto& member : members) {
    if (!o.member.empty() && member.name != o.member) continue;
    const auto at = model::parse_url_host(member.conn_url);
    if (!at) continue;
    session.console.out << fmt::format("host={} port={}\n", at->host,
                                       at->port == 0 ? 5432 : at->port);
    return 0;
  }
  return fail(Code::not_found, "Can not find a suitable member",
              unknown_cluster_hint(session, *cluster, *view));
}

Done run_version(Session& session) {
  session.console.out << (session.console.patronictl
                              ? fmt::format("patronictl version {}\n", kPatroniVersion)
                              : fmt::format("aurum ctl version {} (patronictl {})\n", kAurumVersion,
                                            kPatroniVersion));
  if (session.options.names.empty()) return 0;
  const ClusterId cluster{session.options.names.front(), session.options.group};
  const auto view = read_known(session, cluster);
  if (!view) return fail(view.error());
  session.console.out << "\n";
  const std::vector<std::string> names(session.options.names.begin() + 1,
                                       session.options.names.end());
  const auto members = select_members(*view, cluster, "any", names);
  if (!members) return fail(members.error());
  for (const auto& member : *members) session.console.out << version_line(session, member);
  return 0;
}

}  // namespace aurum::cli
