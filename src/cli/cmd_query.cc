#include <fstream>
#include <iterator>
#include <ostream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/prompt.h"
#include "cli/records.h"
#include "cli/session.h"
#include "cli/timestamp.h"

/// query: SQL on a member, its answer or its error as a table.
namespace aurum::cli {

namespace {

/// What is shown when there is no answer: a time and the reason, in place of the rows.
QueryResult problem(Session& session, std::string text) {
  QueryResult out;
  out.rows.push_back({local_seconds(session.world.wall_now()), std::move(text)});
  return out;
}

Result<std::string> statement(Session& session) {
  const Options& o = session.options;
  if (!o.role.empty() && !o.member.empty())
    return fail(Code::invalid, "--role and --member are mutually exclusive options");
  if (!o.sql.empty() && !o.sql_file.empty())
    return fail(Code::invalid, "--file and --command are mutually exclusive options");
  if (o.sql.empty() && o.sql_file.empty())
    return fail(Code::invalid, "You need to specify either --command or --file");
  if (!o.sql.empty()) return o.sql;
  if (o.sql_file == "-") return std::string(std::istreambuf_iterator<char>(session.console.in), {});
  std::ifstream in(o.sql_file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) return fail(Code::io, fmt::format("cannot read {}", o.sql_file));
  return text;
}

/// The member to ask, anew at each look of a watch: the leader may be another one by then.
QueryResult look(Session& session, const ClusterId& cluster, Query query) {
  const Options& o = session.options;
  const std::string role = o.role.empty() ? "leader" : o.role;
  const std::string wanted =
      o.member.empty() ? fmt::format("role '{}'", role) : fmt::format("member '{}'", o.member);
  const auto view = session.world.read(cluster);
  if (!view) return problem(session, view.error().message);
  for (const auto& member : members_with_role(*view, o.member.empty() ? role : "any")) {
    if (!o.member.empty() && member.name != o.member) continue;
    const auto at = model::parse_url_host(member.conn_url);
    if (!at) continue;
    query.host = at->host;
    query.port = at->port == 0 ? 5432 : at->port;
    if (o.member.empty() && role != "any")
      query.in_recovery = role != "leader" && role != "primary" && role != "master";
    auto result = session.world.query(query);
    if (result.wrong_role) continue;
    if (!result.error.empty())
      return problem(session, fmt::format("ERROR, SQLSTATE: {}", result.error));
    return result;
  }
  return problem(session, fmt::format("No connection to {} is available", wanted));
}

/// Values in the words of Patroni's own output, which is Python's.
std::string cell_text(const model::Value& value) {
  if (value.is_null()) return "None";
  if (value.is_bool()) return value.as_bool() ? "True" : "False";
  return value.text();
}

std::string rendered(const QueryResult& result, Format format, const std::string& delimiter) {
  const bool headless = result.columns.empty();
  if (format == Format::tsv) {
    std::string out;
    if (!headless) out += fmt::format("{}\n", fmt::join(result.columns, delimiter));
    for (const auto& row : result.rows)
      for (std::size_t i = 0; i < row.size(); ++i)
        out += cell_text(row[i]) + (i + 1 < row.size() ? delimiter : "\n");
    return out;
  }
  Records records{result.columns, result.rows, true};
  if (headless) records.columns = {"Field 1", "Field 2"};
  if (format == Format::json || format == Format::yaml) return render_records(records, format);
  for (auto& row : records.rows)
    for (auto& value : row) value = cell_text(value);
  return render(table_of(records));
}

}  // namespace

Done run_query(Session& session) {
  const Options& o = session.options;
  auto sql = statement(session);
  if (!sql) return fail(sql.error());
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  Query query;
  query.sql = std::move(*sql);
  query.user = o.user;
  query.dbname = o.dbname.empty() ? "postgres" : o.dbname;
  if (o.password) {
    auto password = ask_password(session.console);
    if (!password) return fail(password.error());
    query.password = std::move(*password);
  }
  const Format format = parse_format(o.format).value_or(Format::tsv);
  const std::string delimiter = o.delimiter.empty() ? "\t" : o.delimiter;
  const auto every = redraw_interval(o);
  for (;;) {
    session.console.out << rendered(look(session, *cluster, query), format, delimiter)
                        << std::flush;
    if (!every || !session.console.out) return 0;
    session.world.sleep(*every);
  }
}

}  // namespace aurum::cli
