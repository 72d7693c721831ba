#include "support/inspect.h"

#include <ctime>
#include <fstream>
#include <memory>
#include <poll.h>
#include <sstream>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "stack/libpq.h"
#include "stack/rest.h"

namespace aurum::tests {

namespace {

bool wait_socket(PGconn* conn, short events, Instant until) {
  const Duration left = until - runtime::now();
  pollfd wait{PQsocket(conn), events, 0};
  return left > Duration::zero() && ::poll(&wait, 1, static_cast<int>(to_ms(left) + 1)) > 0;
}

}  // namespace

Result<std::string> sql(const std::string& conninfo, const std::string& statement) {
  const Instant until = runtime::now() + seconds(5);
  const stack::Connection conn(PQconnectStart(conninfo.c_str()));
  if (!conn) return fail(Code::io, "out of memory");
  for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
    if (state == PGRES_POLLING_FAILED) return fail(Code::unavailable, PQerrorMessage(conn.get()));
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!wait_socket(conn.get(), events, until))
      return fail(Code::timeout, "no connection within 5 s");
    state = PQconnectPoll(conn.get());
  }
  if (PQsendQuery(conn.get(), statement.c_str()) == 0)
    return fail(Code::io, PQerrorMessage(conn.get()));
  std::string value;
  for (;;) {
    while (PQisBusy(conn.get()) != 0) {
      if (!wait_socket(conn.get(), POLLIN, until)) return fail(Code::timeout, "no answer in 5 s");
      if (PQconsumeInput(conn.get()) == 0) return fail(Code::io, PQerrorMessage(conn.get()));
    }
    const stack::Answer answer(PQgetResult(conn.get()));
    if (!answer) return value;
    const auto status = PQresultStatus(answer.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
      return fail(Code::rejected, PQresultErrorMessage(answer.get()));
    if (PQntuples(answer.get()) > 0) value = PQgetvalue(answer.get(), 0, 0);
  }
}

std::string file_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::optional<stack::ProcessId> guard_of(const stack::Cluster& cluster, std::size_t node) {
  for (const auto& id : cluster.processes(node, stack::Part::node)) {
    const auto info = stack::inspect(id.pid);
    if (info && info->name == "aurum-guard" && stack::alive(info->id)) return info->id;
  }
  return std::nullopt;
}

namespace {

Result<nlohmann::json> gateway(const stack::Cluster& cluster, const std::string& path,
                               const nlohmann::json& body) {
  Error last{Code::unavailable, "no etcd member", {}};
  for (const auto& member : cluster.plan().etcds) {
    auto reply = stack::rest_call(
        {member.host, member.client_port, "POST", path, body.dump(), {}, seconds(3)});
    if (!reply) {
      last = reply.error();
      continue;
    }
    auto doc = nlohmann::json::parse(reply->body, nullptr, false);
    if (reply->status == 200 && doc.is_object()) return doc;
    last = {Code::rejected, reply->body, {}};
  }
  return fail(last);
}

std::string full_key(const stack::Cluster& cluster, const std::string& key) {
  return stack::base64(fmt::format("/service/{}/{}", cluster.plan().scope, key));
}

}  // namespace

Status put_key(const stack::Cluster& cluster, const std::string& key, const std::string& value) {
  auto done = gateway(cluster, "/v3/kv/put",
                      {{"key", full_key(cluster, key)}, {"value", stack::base64(value)}});
  if (!done) return fail(done.error());
  return {};
}

Status forget_cluster(const stack::Cluster& cluster) {
  // The prefix /service/SCOPE/ ends where '/' + 1 = '0' begins (etcd manual, "key ranges").
  const std::string prefix = fmt::format("/service/{}", cluster.plan().scope);
  auto done =
      gateway(cluster, "/v3/kv/deleterange",
              {{"key", stack::base64(prefix + "/")}, {"range_end", stack::base64(prefix + "0")}});
  if (!done) return fail(done.error());
  return {};
}

Result<std::string> get_key(const stack::Cluster& cluster, const std::string& key) {
  auto doc = gateway(cluster, "/v3/kv/range", {{"key", full_key(cluster, key)}});
  if (!doc) return fail(doc.error());
  const auto kvs = doc->find("kvs");
  if (kvs == doc->end() || kvs->empty()) return fail(Code::not_found, key + " is absent");
  return stack::from_base64(kvs->at(0).value("value", ""));
}

Status set_etcd_full(const stack::Cluster& cluster, bool full) {
  const char* action = full ? "ACTIVATE" : "DEACTIVATE";
  // Member 0 is none of the cluster's: the alarm is the cluster's all the same.
  auto done = gateway(cluster, "/v3/maintenance/alarm",
                      {{"action", action}, {"memberID", "0"}, {"alarm", "NOSPACE"}});
  if (!done) return fail(done.error());
  return {};
}

void nap(Duration time) {
  const timespec wait{time.count() / 1'000'000'000, time.count() % 1'000'000'000};
  ::nanosleep(&wait, nullptr);
}

}  // namespace aurum::tests
