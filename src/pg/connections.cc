#include <algorithm>

#include "pg/conninfo.h"
#include "pg/postgres.h"

/// How the local server and the upstreams are reached (PATRONI_COMPAT §7.3).
namespace aurum::pg {

namespace {

constexpr const char* kHeartbeatOptions =
    "-c statement_timeout=2000 -c pg_stat_statements.track=none -c search_path=pg_catalog";
/// Work may take long, and must never wait for a synchronous standby.
constexpr const char* kWorkOptions =
    "-c statement_timeout=0 -c lock_timeout=0 -c synchronous_commit=local -c "
    "search_path=pg_catalog "
    "-c pg_stat_statements.track=none -c idle_in_transaction_session_timeout=0";

/// The address under which this machine reaches one of the listen addresses: loopback where it is
/// listened on.
std::string reachable(std::string listen) {
  std::string first;
  std::vector<std::string> all;
  for (std::size_t at = 0; at <= listen.size();) {
    auto comma = std::min(listen.find(',', at), listen.size());
    auto one = listen.substr(at, comma - at);
    std::erase(one, ' ');
    if (!one.empty()) all.push_back(one);
    at = comma + 1;
  }
  auto has = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) {
      return std::find(all.begin(), all.end(), name) != all.end();
    });
  };
  if (has({"*", "0.0.0.0", "localhost", "127.0.0.1"})) return "127.0.0.1";
  if (has({"::", "::1"})) return "::1";
  return all.empty() ? std::string() : all.front();
}

}  // namespace

Task<Result<Keywords>> Postgres::local_keywords(Purpose purpose, const PostmasterPid& server,
                                                Duration timeout) {
  const auto& pg = config_->pg;
  const auto& login = pg.superuser;
  // What the lock file says is in force; the configuration may have changed since.
  const auto listen = server.listen_address == "*" || server.listen_address.empty()
                          ? pg.listen_addresses()
                          : server.listen_address + "," + pg.listen_addresses();
  const auto address = server.listen_address.empty() && !server.socket_dir.empty()
                           ? std::string()
                           : reachable(listen);
  Keywords out;
  if ((pg.use_unix_socket || address.empty()) && !server.socket_dir.empty()) {
    out.emplace_back("host", server.socket_dir);
  } else {
    auto host = co_await names_.host_keywords(address, timeout);
    if (!host) co_return fail(host.error());
    out = std::move(*host);
    for (auto& [key, value] : out)
      if (key == "host" && (value == "127.0.0.1" || value == "::1")) value = "localhost";
  }
  out.emplace_back("port", std::to_string(server.port ? server.port : pg.port()));
  out.emplace_back("dbname", pg.database);
  if (!login.username.empty()) out.emplace_back("user", login.username);
  for (auto& keyword : login_options(login)) out.push_back(std::move(keyword));
  if (auto at = login.options.find("sslpassword"); at != login.options.end())
    out.emplace_back("sslpassword", at->second);
  if (!login.options.contains("gssencmode")) out.emplace_back("gssencmode", "disable");
  out.emplace_back("application_name",
                   purpose == Purpose::heartbeat ? "Patroni heartbeat" : "aurum");
  std::string options = purpose == Purpose::heartbeat ? kHeartbeatOptions : kWorkOptions;
  // We must see a server that is fenced.
  if (config_->aurum.fence.reads) options += " -c aurum.fence_reads=off";
  out.emplace_back("options", std::move(options));
  co_return out;
}

/// While its file holds two passwords the server may want either: the second is tried in the same
/// breath, so that nobody sees the first one refused (tests/secrets_test.cc).
Task<Status> Postgres::connect_as(Session& session, model::Login login, Keywords keywords,
                                  Instant deadline) {
  const auto with = [&keywords](const std::string& password) {
    Keywords all = keywords;
    if (!password.empty()) all.emplace_back("password", password);
    return all;
  };
  auto connected = co_await session.connect(with(login.password), deadline - runtime::now());
  if (connected || login.other_password.empty() || !session.password_was_asked())
    co_return connected;
  connected = co_await session.connect(with(login.other_password), deadline - runtime::now());
  co_return connected;
}

Task<Status> Postgres::connect_local(Session& session, Purpose purpose, const PostmasterPid& server,
                                     Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  auto keywords = co_await local_keywords(purpose, server, timeout);
  if (!keywords) co_return fail(keywords.error());
  auto connected =
      co_await connect_as(session, config_->pg.superuser, std::move(*keywords), deadline);
  if (!connected && connected.error().code == Code::permission && connected.error().hint.empty()) {
    Error error = connected.error();
    error.hint =
        "Check postgresql.authentication.superuser and that pg_hba.conf lets it in from this "
        "machine.";
    co_return fail(std::move(error));
  }
  co_return connected;
}

Task<std::optional<LivePostmaster>> Postgres::live_postmaster() {
  const auto dir = config_->pg.data_dir;
  auto found = co_await runtime::in_pool(pool_, [dir] { return find_postmaster(dir); });
  co_return found;
}

Task<Result<Postgres::SessionPtr>> Postgres::open_local(Duration timeout, std::string database,
                                                        Keywords more) {
  const Instant deadline = runtime::now() + timeout;
  auto server = co_await live_postmaster();
  if (!server) co_return fail(Code::unavailable, "PostgreSQL is not running");
  auto keywords = co_await local_keywords(Purpose::work, server->file, timeout);
  if (!keywords) co_return fail(keywords.error());
  for (auto& [key, value] : *keywords)
    if (key == "dbname" && !database.empty()) value = database;
  for (auto& keyword : more) keywords->push_back(std::move(keyword));
  auto session = std::make_unique<Session>(executor_);
  auto connected =
      co_await connect_as(*session, config_->pg.superuser, std::move(*keywords), deadline);
  if (!connected) co_return fail(connected.error());
  co_return std::move(session);
}

Task<Result<Postgres::SessionPtr>> Postgres::open_remote(model::Upstream upstream,
                                                         model::Login login, Keywords more,
                                                         Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  const std::string where = upstream.host + ":" + std::to_string(upstream.port);
  auto keywords = co_await names_.host_keywords(upstream.host, timeout);
  if (!keywords) co_return fail(keywords.error());
  keywords->emplace_back("port", std::to_string(upstream.port));
  keywords->emplace_back("user", login.username);
  for (auto& keyword : login_options(login)) keywords->push_back(std::move(keyword));
  if (auto at = login.options.find("sslpassword"); at != login.options.end())
    keywords->emplace_back("sslpassword", at->second);
  if (!login.options.contains("gssencmode")) keywords->emplace_back("gssencmode", "disable");
  keywords->emplace_back("application_name", config_->name);
  for (auto& keyword : more) keywords->push_back(std::move(keyword));
  auto session = std::make_unique<Session>(executor_);
  auto connected = co_await connect_as(*session, login, std::move(*keywords), deadline);
  if (!connected) {
    Error error = connected.error().within("cannot connect to " + where + " as " + login.username);
    if (error.code == Code::permission)
      error.hint =
          "Check postgresql.authentication on both sides and pg_hba.conf of " + where + ".";
    co_return fail(std::move(error));
  }
  co_return std::move(session);
}

}  // namespace aurum::pg
