#include "agent/preflight.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <pwd.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "agent/rest_tls.h"
#include "dcs/etcd_store.h"
#include "model/config_schema.h"
#include "net/tls.h"
#include "pg/files.h"
#include "pg/postmaster.h"
#include "pg/programs.h"
#include "runtime/port.h"
#include "runtime/process.h"
#include "runtime/users.h"

namespace aurum::agent {

namespace fs = std::filesystem;
using model::DataDir;
using model::Findings;
using runtime::Task;

namespace {

/// An error of a lower room names its setting itself.
void add(Findings& findings, const Error& error, std::string_view path = {}) {
  findings.error(path, error.message, error.hint);
}

void check_tls(const model::LocalConfig& config, Findings& findings) {
  if (const auto etcd = dcs::check_etcd_config(config.etcd); !etcd) add(findings, etcd.error());
  if (const auto tls = rest_server_tls(config.rest)) {
    if (const auto made = net::make_server_tls(*tls); !made)
      add(findings, made.error().within("restapi"));
  }
  const net::ClientTls peers = peer_tls(config);
  if (peers.certfile.empty() && config.ctl.tls.cafile.empty()) return;
  if (const auto made = net::make_client_tls(peers); !made)
    add(findings, made.error().within("ctl"));
}

std::string user_name(uid_t uid) {
  const passwd* user = ::getpwuid(uid);
  return user != nullptr ? user->pw_name : std::to_string(uid);
}

/// The nearest directory that exists must let us make the rest of the path.
void check_can_make(const fs::path& path, std::string_view key, Findings& findings) {
  fs::path above = path.parent_path();
  std::error_code ec;
  while (!above.empty() && above != above.parent_path() && !fs::exists(above, ec))
    above = above.parent_path();
  if (::access(above.c_str(), W_OK | X_OK) == 0) return;
  findings.error(key,
                 fmt::format("{} can not be made: {}: {}", path.string(), above.string(),
                             std::strerror(errno)),
                 fmt::format("Make it, owned by {}.", runtime::current_user().name));
}

bool check_mode(const fs::path& dir, const struct stat& info, Findings& findings) {
  const auto mode = info.st_mode & 07777U;
  if ((mode & 027U) == 0) return true;
  findings.error("postgresql.data_dir",
                 fmt::format("{} has mode {:04o}, and PostgreSQL starts on 0700 or 0750 only",
                             dir.string(), mode),
                 fmt::format("chmod 0700 {}", dir.string()));
  return false;
}

/// False: nothing more can be said of the directory.
bool check_data_dir(const model::PgConfig& pg, DataDir& what, Findings& findings) {
  const std::string dir = pg.data_dir.string();
  struct stat info{};
  if (::stat(dir.c_str(), &info) != 0) {
    what = DataDir::empty;
    if (errno == ENOENT)
      check_can_make(pg.data_dir, "postgresql.data_dir", findings);
    else
      findings.error("postgresql.data_dir", fmt::format("{}: {}", dir, std::strerror(errno)));
    return false;
  }
  if (!S_ISDIR(info.st_mode)) {
    findings.error("postgresql.data_dir", dir + " is no directory",
                   "Point it to the data directory, or to one that may be made.");
    return false;
  }
  if (info.st_uid != ::geteuid()) {
    findings.error("postgresql.data_dir",
                   fmt::format("{} belongs to {}, and the agent runs as {}", dir,
                               user_name(info.st_uid), runtime::current_user().name),
                   "PostgreSQL wants to own its data: chown it, or start the agent as its owner.");
    return false;
  }
  what = pg::inspect_data_dir(pg.data_dir);
  if (what == DataDir::foreign) {
    findings.error("postgresql.data_dir",
                   dir + " is not empty and holds no PostgreSQL data directory",
                   "Nothing in it is overwritten: move its files away, or name another directory.");
    return false;
  }
  return what == DataDir::ready && check_mode(pg.data_dir, info, findings);
}

std::vector<std::string> wanted_programs(const model::LocalConfig& config, DataDir what) {
  std::vector<std::string> names = {"postgres", "pg_controldata"};
  const auto& methods = config.pg.create_replica_methods;
  if (what != DataDir::ready && config.bootstrap.present && config.bootstrap.method == "initdb")
    names.emplace_back("initdb");
  if (std::ranges::find(methods, "basebackup") != methods.end())
    names.emplace_back("pg_basebackup");
  if (config.pg.use_pg_rewind.value_or(
          model::read_dynamic_config(config.bootstrap.dcs).use_pg_rewind))
    names.emplace_back("pg_rewind");
  return names;
}

Task<void> check_version(const model::PgConfig& pg, int major, std::string tool,
                         Findings findings) {
  runtime::ProcessSpec spec;
  spec.argv = {tool, "--version"};
  spec.env = pg::child_environment();
  spec.timeout = seconds(10);
  auto end = co_await runtime::run_process(std::move(spec));
  if (!end) co_return add(findings, end.error(), "postgresql.bin_dir");
  const auto version = pg::parse_version(end->out);
  if (!version)
    co_return add(findings, version.error().within(tool + " --version"), "postgresql.bin_dir");
  if (*version != major)
    findings.error("postgresql.data_dir",
                   fmt::format("{} was made by PostgreSQL {}, but {} is version {}",
                               pg.data_dir.string(), major, tool, *version),
                   fmt::format("Set postgresql.bin_dir to the programs of version {}, or upgrade "
                               "the data with pg_upgrade.",
                               major));
}

Task<void> check_programs(const model::LocalConfig& config, DataDir what, bool look_at_version,
                          Findings findings) {
  const auto known = pg::major_version(config.pg.data_dir);
  const int major = what == DataDir::ready && known ? *known : 0;
  if (what == DataDir::ready && !known) add(findings, known.error(), "postgresql.data_dir");
  std::string postgres;
  for (const auto& name : wanted_programs(config, what)) {
    const auto tool = pg::find_pg_program(config.pg, name, major);
    if (!tool) co_return add(findings, tool.error());  // the others stand, or miss, beside it
    if (name == "postgres") postgres = *tool;
  }
  if (major != 0 && look_at_version) co_await check_version(config.pg, major, postgres, findings);
}

void check_config_dir(const model::PgConfig& pg, Findings& findings) {
  if (pg.config_dir.empty() || pg.config_dir == pg.data_dir) return;
  if (::access(pg.config_dir.c_str(), W_OK | X_OK) == 0) return;
  findings.error("postgresql.config_dir",
                 fmt::format("{}: {}", pg.config_dir.string(), std::strerror(errno)),
                 fmt::format("Make it, writable for {}.", runtime::current_user().name));
}

void check_pgpass(const model::PgConfig& pg, Findings& findings) {
  if (pg.pgpass.empty() || (pg.replication.password.empty() && pg.superuser.password.empty()))
    return;
  const fs::path dir = pg.pgpass.has_parent_path() ? pg.pgpass.parent_path() : fs::path(".");
  if (::access(dir.c_str(), W_OK | X_OK) == 0) return;
  findings.error(
      "postgresql.pgpass",
      fmt::format("{} can not be written: {}", pg.pgpass.string(), std::strerror(errno)),
      fmt::format("Set it to a file in a directory of {}.", runtime::current_user().name));
}

bool unusable_elsewhere(const std::string& address) {
  const auto parsed = model::parse_listen(address, 1);
  return parsed && model::is_wildcard_or_loopback(parsed->hosts.substr(0, parsed->hosts.find(',')));
}

struct Advertised {
  std::string_view key;
  std::string address;
};
std::array<Advertised, 2> advertised(const model::LocalConfig& config) {
  return {{{"restapi.connect_address", config.rest.connect_address},
           {"postgresql.connect_address", config.pg.connect_address}}};
}

}  // namespace

Task<std::vector<model::Finding>> preflight(const model::LocalConfig& config, std::string source,
                                            bool listen_ports) {
  std::vector<model::Finding> found;
  Findings findings(found, std::move(source));
  check_tls(config, findings);
  DataDir what = DataDir::foreign;
  const bool ready = check_data_dir(config.pg, what, findings);
  const bool running = ready && pg::find_postmaster(config.pg.data_dir).has_value();
  co_await check_programs(config, what, ready && !running, findings);
  check_config_dir(config.pg, findings);
  check_pgpass(config.pg, findings);
  if (!listen_ports) co_return found;
  if (const auto listen = model::parse_listen(config.rest.listen, 8008)) {
    const auto free = runtime::port_is_free(listen->hosts, listen->port);
    if (!free) add(findings, free.error(), "restapi.listen");
  }
  if (!running) {  // else it is ours that listens
    const auto free = runtime::port_is_free(config.pg.listen_addresses(), config.pg.port());
    if (!free) add(findings, free.error(), "postgresql.listen");
  }
  co_return found;
}

Task<std::vector<model::Finding>> check_store_reachable(boost::asio::any_io_executor executor,
                                                        const model::LocalConfig& config,
                                                        std::string source, runtime::Logger& log) {
  std::vector<model::Finding> found;
  Findings findings(found, std::move(source));
  auto store = dcs::make_etcd_store(std::move(executor), config.etcd,
                                    model::base_path(config.ns, config.scope), log);
  auto read = co_await store->read(seconds(3));
  if (!read) add(findings, read.error(), "etcd3");
  store->close();
  co_return found;
}

std::vector<model::Finding> check_advertised(const model::LocalConfig& config,
                                             const model::ClusterView& cluster) {
  std::vector<model::Finding> found;
  Findings findings(found, "");
  std::string elsewhere;  // a member that surely is on another host than loopback names
  for (const auto& [name, member] : cluster.members) {
    if (name == config.name) continue;
    const auto host = model::parse_url_host(member.conn_url);
    if (host && !model::is_wildcard_or_loopback(host->host)) elsewhere = name;
  }
  bool ours_local = false;
  for (const auto& [key, address] : advertised(config)) {
    if (!unusable_elsewhere(address)) continue;
    ours_local = true;
    if (!elsewhere.empty())
      findings.error(
          key,
          fmt::format("member {} is on another host and can not reach \"{}\"", elsewhere, address),
          "Set it to an address of this host that all members can reach.");
  }
  if (ours_local) return found;
  for (const auto& [name, member] : cluster.members) {
    const auto host = model::parse_url_host(member.conn_url);
    if (name != config.name && host && model::is_wildcard_or_loopback(host->host))
      findings.warning("",
                       fmt::format("member {} advertises {}, which other hosts can not reach", name,
                                   member.conn_url),
                       "Set postgresql.connect_address in its configuration.");
  }
  return found;
}

std::vector<model::Finding> check_advertised(const model::LocalConfig& config, std::string source) {
  std::vector<model::Finding> found;
  Findings findings(found, std::move(source));
  for (const auto& [key, address] : advertised(config)) {
    if (unusable_elsewhere(address))
      findings.error(key, fmt::format("other hosts can not reach \"{}\"", address),
                     "Set it to an address of this host that all members can reach. (The agent "
                     "starts with it as long as all members are on this host.)");
  }
  return found;
}

}  // namespace aurum::agent
