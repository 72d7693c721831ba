#include "stack/door.h"

#include <fstream>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "stack/process.h"

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

Result<std::string> find_program(const std::string& name) {
  for (const char* dir : {"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"}) {
    const auto program = fs::path(dir) / name;
    if (::access(program.c_str(), X_OK) == 0) return program.string();
  }
  return fail(Code::not_found, name + " is not installed", "apt-get install " + name + ".");
}

/// Of PgBouncer's administrator, who is told of leaders; on loopback, while a bench runs.
constexpr const char* kAdminPassword = "told";

}  // namespace

Result<DoorPorts> plan_door(Plan& plan, Way way) {
  if (way == Way::libpq) return DoorPorts{};
  const auto found = free_ports(3);
  if (!found) return fail(found.error());
  const DoorPorts ports{
      .haproxy = found->at(0), .runtime = found->at(1), .pgbouncer = found->at(2)};
  if (!plan.own_agent()) return ports;
  using nlohmann::json;
  json overrides = plan.overrides.empty() ? json::object() : json::parse(plan.overrides);
  auto& routing = overrides["aurum"]["routing"];
  routing["haproxy"] = {fmt::format("127.0.0.1:{}", ports.runtime)};
  if (way == Way::pgbouncer) {
    routing["pgbouncer"] = {fmt::format("127.0.0.1:{}", ports.pgbouncer)};
    routing["pgbouncer_password"] = kAdminPassword;
  }
  plan.overrides = overrides.dump();
  return ports;
}

Result<Way> way_from(std::string_view name) {
  if (name == "libpq") return Way::libpq;
  if (name == "haproxy") return Way::haproxy;
  if (name == "pgbouncer") return Way::pgbouncer;
  return fail(Code::invalid, fmt::format("no way '{}'", name), "libpq, haproxy or pgbouncer.");
}

std::string haproxy_conf(const Plan& plan, DoorPorts ports) {
  std::string out = fmt::format(
      "global\n"
      "  maxconn 500\n"
      "  stats socket ipv4@127.0.0.1:{} level admin\n"
      "defaults\n"
      "  mode tcp\n"
      "  timeout connect 3s\n"
      "  timeout check 2s\n"
      "  timeout client 1h\n"
      "  timeout server 1h\n"
      "  default-server check inter 250ms fastinter 100ms downinter 250ms fall 2 rise 1 "
      "on-marked-down shutdown-sessions\n"
      "listen read-write\n"
      "  bind 127.0.0.1:{}\n"
      "  option httpchk OPTIONS /primary\n"
      "  http-check expect status 200\n",
      ports.runtime, ports.haproxy);
  for (const auto& node : plan.nodes)
    out += fmt::format("  server {} {}:{} port {}\n", node.name, node.host, node.postgres_port,
                       node.rest_port);
  return out;
}

std::string pgbouncer_conf(const std::string& dir, DoorPorts ports) {
  return fmt::format(
      "[databases]\n"
      "* = host=127.0.0.1 port={}\n"
      "[pgbouncer]\n"
      "listen_addr = 127.0.0.1\n"
      "listen_port = {}\n"
      "unix_socket_dir =\n"
      "pool_mode = transaction\n"
      "auth_type = scram-sha-256\n"
      "auth_file = {}/pgbouncer.users\n"
      "admin_users = pgbouncer\n"
      "server_connect_timeout = 3\n"
      "server_login_retry = 0.2\n"
      "query_wait_timeout = 60\n"
      "log_connections = 0\n"
      "log_disconnections = 0\n",
      ports.haproxy, ports.pgbouncer, dir);
}

Result<std::unique_ptr<Door>> Door::open(const Cluster& cluster, Way way, DoorPorts ports) {
  std::unique_ptr<Door> door(new Door(cluster, way, ports));
  if (way == Way::libpq) return door;
  const auto haproxy = find_program("haproxy");
  if (!haproxy) return fail(haproxy.error());
  const std::string dir = (cluster.plan().dir / "run").string();
  auto ready = door->write("haproxy.cfg", haproxy_conf(cluster.plan(), ports));
  if (ready) ready = door->start("haproxy", {*haproxy, "-db", "-f", dir + "/haproxy.cfg"});
  if (ready && way == Way::pgbouncer) {
    const auto pgbouncer = find_program("pgbouncer");
    if (!pgbouncer) return fail(pgbouncer.error());
    ready =
        door->write("pgbouncer.users", fmt::format("\"postgres\" \"{}\"\n\"pgbouncer\" \"{}\"\n",
                                                   cluster.secrets().superuser, kAdminPassword));
    if (ready) ready = door->write("pgbouncer.ini", pgbouncer_conf(dir, ports));
    if (ready) ready = door->start("pgbouncer", {*pgbouncer, dir + "/pgbouncer.ini"});
  }
  if (!ready) return fail(ready.error());
  return door;
}

Door::~Door() {
  for (const auto& id : processes_) {
    send_signal(id, SIGKILL);
    wait_gone(id, seconds(5));
  }
}

Status Door::write(const std::string& name, const std::string& text) const {
  const auto file = cluster_.plan().dir / "run" / name;
  const mode_t before = ::umask(077);
  std::ofstream(file) << text;
  ::umask(before);
  const auto& account = cluster_.account();
  if (account.drop && ::chown(file.c_str(), account.uid, account.gid) != 0)
    return fail(Code::io, fmt::format("cannot give {} to {}", file.string(), account.name));
  return {};
}

Status Door::start(const std::string& name, std::vector<std::string> argv) {
  Launch what;
  what.argv = std::move(argv);
  what.working_dir = cluster_.plan().dir;
  what.log_file = cluster_.log_of(name);
  auto id = launch(what, cluster_.account());
  if (!id) return fail(id.error());
  processes_.push_back(*id);
  if (!wait_gone(*id, milliseconds(300))) return {};
  return fail(Code::io, name + " ended at once", fmt::format("See {}.", what.log_file.string()));
}

std::string Door::conninfo() const {
  if (way_ == Way::libpq) return {};
  return fmt::format("host=127.0.0.1 port={} user=postgres password={} dbname=postgres",
                     way_ == Way::pgbouncer ? ports_.pgbouncer : ports_.haproxy,
                     cluster_.secrets().superuser);
}

}  // namespace aurum::stack
