#include "cli/query.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <libpq-fe.h>

namespace aurum::cli {

namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// pg_type.dat's fixed OIDs of the types that have a form of their own in JSON.
enum : Oid { kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kFloat4 = 700, kFloat8 };

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

Connection connect(const Query& query) {
  const std::string port = std::to_string(query.port);
  std::vector<const char*> names{"host", "port", "connect_timeout", "fallback_application_name"};
  std::vector<const char*> values{query.host.c_str(), port.c_str(), "5", "Patroni ctl"};
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  };
  add("user", query.user);
  const std::string password = query.password.value_or("");  // outlives the call below
  add("password", password);
  add("dbname", query.dbname);
  for (const auto& [name, value] : query.options) add(name.c_str(), value);
  names.push_back(nullptr);
  values.push_back(nullptr);
  return {PQconnectdbParams(names.data(), values.data(), 0), PQfinish};
}

Answer exec(const Connection& connection, const std::string& sql) {
  return {PQexec(connection.get(), sql.c_str()), PQclear};
}

std::string error_of(const Connection& connection, const Answer& answer) {
  const char* state = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
  return state != nullptr ? state : one_line(PQerrorMessage(connection.get()));
}

model::Value value_of(const PGresult* answer, int row, int column) {
  if (PQgetisnull(answer, row, column) != 0) return {};
  const std::string text = PQgetvalue(answer, row, column);
  switch (PQftype(answer, column)) {
    case kBool:
      return text == "t";
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      return std::int64_t{std::strtoll(text.c_str(), nullptr, 10)};
    case kFloat4:
    case kFloat8:
      return std::strtod(text.c_str(), nullptr);
    default:
      return text;
  }
}

}  // namespace

QueryResult run_query(const Query& query) {
  QueryResult out;
  const Connection connection = connect(query);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    out.error = one_line(PQerrorMessage(connection.get()));
    return out;
  }
  if (query.in_recovery) {
    const Answer role = exec(connection, "SELECT pg_catalog.pg_is_in_recovery()");
    if (PQresultStatus(role.get()) != PGRES_TUPLES_OK) {
      out.error = error_of(connection, role);
      return out;
    }
    out.wrong_role = (std::string_view(PQgetvalue(role.get(), 0, 0)) == "t") != *query.in_recovery;
    if (out.wrong_role) return out;
  }
  const Answer answer = exec(connection, query.sql);
  switch (PQresultStatus(answer.get())) {
    case PGRES_TUPLES_OK:
      break;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
      out.error = "no results to fetch";
      return out;
    default:
      out.error = error_of(connection, answer);
      return out;
  }
  const int columns = PQnfields(answer.get());
  for (int i = 0; i < columns; ++i) out.columns.emplace_back(PQfname(answer.get(), i));
  for (int row = 0; row < PQntuples(answer.get()); ++row) {
    out.rows.emplace_back();
    for (int i = 0; i < columns; ++i) out.rows.back().push_back(value_of(answer.get(), row, i));
  }
  return out;
}

}  // namespace aurum::cli
