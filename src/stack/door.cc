#include "stack/door.h"

#include <sstream>

#include <fmt/format.h>

namespace aurum::stack {

namespace {

/// For HAProxy (Configuration Manual §2.2, "Quoting and escaping"): nothing in it means anything.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string haproxy_global(const Plan& plan) {
  std::string out = fmt::format(
      "global\n"
      "  log stdout format raw daemon notice\n"
      "  maxconn 2000\n"
      "  stats socket {} mode 600 level admin\n"
      "  server-state-file {}\n",
      quoted(haproxy_socket(plan)), quoted((plan.dir / "run/haproxy.state").string()));
  if (plan.tls) return out + "  ssl-default-server-options ssl-min-ver TLSv1.2\n";
  // Whoever has an account on this machine may tell it anything, as he may tell etcd.
  return out + fmt::format("  stats socket ipv4@{}:{} level admin\n", plan.door->host,
                           plan.door->runtime);
}

std::string haproxy_defaults(const Plan& plan) {
  const std::string check = plan.tls ? " check-ssl verify required ca-file " +
                                           quoted(plan.certificate("haproxy", "ca.crt"))
                                     : "";
  return fmt::format(
      "defaults\n"
      "  mode tcp\n"
      "  log global\n"
      "  load-server-state-from-file global\n"
      "  option dontlognull\n"
      "  retries 2\n"
      "  timeout connect 3s\n"
      "  timeout check 2s\n"
      "  timeout client 24h\n"
      "  timeout server 24h\n"
      "  option clitcpka\n"
      "  option srvtcpka\n"
      "  default-server check{}\n"
      // Chosen by `aurum bench failover --through`.
      "  default-server inter 250ms fastinter 100ms downinter 250ms fall 2 rise 1\n"
      "  default-server on-marked-down shutdown-sessions\n"
      "  default-server maxconn 90\n",
      check);
}

std::string haproxy_servers(const Plan& plan) {
  std::string out;
  for (const auto& node : plan.nodes)
    out += fmt::format("  server {} {}:{} port {}{}\n", node.name, node.host, node.postgres_port,
                       node.rest_port, plan.tls ? " check-sni " + node.name : "");
  return out;
}

}  // namespace

Result<Way> way_from(std::string_view name) {
  if (name == "libpq") return Way::libpq;
  if (name == "haproxy") return Way::haproxy;
  if (name == "pgbouncer") return Way::pgbouncer;
  return fail(Code::invalid, fmt::format("no way '{}'", name), "libpq, haproxy or pgbouncer.");
}

Status plan_door(Plan& plan, Way way) {
  if (way == Way::libpq) return {};
  const auto ports = free_ports(5);
  if (!ports) return fail(ports.error());
  plan.door = DoorPlan{.read_write = ports->at(0),
                       .read_only = ports->at(1),
                       .statistics = ports->at(2),
                       .runtime = ports->at(3),
                       .pooler = way == Way::pgbouncer ? ports->at(4) : std::uint16_t{0}};
  return {};
}

std::vector<std::string> door_names(const Plan& plan) {
  std::vector<std::string> names;
  if (plan.door) names.emplace_back("haproxy");
  if (plan.door && plan.door->pooler != 0) names.emplace_back("pgbouncer");
  return names;
}

std::string haproxy_socket(const Plan& plan) { return (plan.dir / "run/haproxy.sock").string(); }
std::string pgbouncer_users(const Plan& plan) {
  return (plan.dir / "conf/pgbouncer.users").string();
}

std::string haproxy_conf(const Plan& plan) {
  const DoorPlan& door = *plan.door;
  const std::string servers = haproxy_servers(plan);
  const std::string serves =
      plan.tls ? " ssl crt " + quoted(plan.certificate("haproxy", "server.pem")) : "";
  const std::string least = plan.tls ? " ssl-min-ver TLSv1.2" : "";
  std::string out = haproxy_global(plan) + haproxy_defaults(plan);
  out += fmt::format(
      "listen read-write\n"
      "  bind {0}:{1}\n"
      "  option httpchk OPTIONS /primary\n"
      "  http-check expect status 200\n"
      "{3}"
      "listen read-only\n"
      "  bind {0}:{2}\n"
      "  balance leastconn\n"
      "  option httpchk OPTIONS /replica?lag=16MB\n"
      "  http-check expect status 200\n"
      "  option allbackups\n"
      "{3}"
      "  server read-only-primary {0}:{1} no-check backup\n",
      door.host, door.read_write, door.read_only, servers);
  if (plan.tls) {
    std::string agents;
    for (const auto& node : plan.nodes) agents += " " + node.name;
    out += fmt::format(
        "listen runtime\n"
        "  bind {}:{}{} ca-file {} verify required{}\n"
        "  tcp-request session reject unless {{ ssl_c_s_dn(cn) -m str{} }}\n"
        "  timeout client 5s\n"
        "  timeout server 5s\n"
        "  server socket {} no-check\n",
        door.host, door.runtime, serves, quoted(plan.certificate("haproxy", "ca.crt")), least,
        agents, quoted("unix@" + haproxy_socket(plan)));
  }
  return out + fmt::format(
                   "frontend stats\n"
                   "  mode http\n"
                   "  bind {}:{}{}{}\n"
                   "  timeout client 10s\n"
                   "  http-request use-service prometheus-exporter if {{ path /metrics }}\n"
                   "  stats enable\n"
                   "  stats uri /\n"
                   "  stats refresh 5s\n",
                   door.host, door.statistics, serves, least);
}

std::string pgbouncer_conf(const Plan& plan) {
  const DoorPlan& door = *plan.door;
  std::string out = fmt::format(
      "[databases]\n"
      "* = host={0} port={1} auth_user=pgbouncer\n"
      "[pgbouncer]\n"
      "listen_addr = {0}\n"
      "listen_port = {2}\n"
      "unix_socket_dir =\n"
      "pool_mode = transaction\n"
      "max_client_conn = 1000\n"
      "default_pool_size = 20\n"
      "max_db_connections = 50\n"
      "reserve_pool_size = 5\n"
      "reserve_pool_timeout = 3\n"
      "query_wait_timeout = 60\n"
      "server_connect_timeout = 3\n"
      "server_login_retry = 0.2\n"
      "server_lifetime = 3600\n"
      "server_idle_timeout = 300\n"
      "tcp_keepalive = 1\n"
      "tcp_keepidle = 30\n"
      "tcp_keepintvl = 5\n"
      "tcp_keepcnt = 3\n"
      "ignore_startup_parameters = extra_float_digits,options\n"
      "auth_type = scram-sha-256\n"
      "auth_file = {3}\n"
      "auth_query = SELECT usename, passwd FROM pgbouncer.user_lookup($1)\n"
      "admin_users = pgbouncer\n"
      "stats_users = pgbouncer\n"
      "log_connections = 0\n"
      "log_disconnections = 0\n"
      "log_stats = 0\n",
      door.host, door.read_write, door.pooler, pgbouncer_users(plan));
  if (!plan.tls) return out;
  const auto file = [&](const char* name) { return plan.certificate("pgbouncer", name); };
  return out + fmt::format(
                   "client_tls_sslmode = require\n"
                   "client_tls_cert_file = {}\n"
                   "client_tls_key_file = {}\n"
                   "client_tls_ca_file = {}\n"
                   "client_tls_protocols = secure\n"
                   "server_tls_sslmode = verify-full\n"
                   "server_tls_ca_file = {}\n"
                   "server_tls_protocols = secure\n",
                   file("server.crt"), file("server.key"), file("ca.crt"), file("ca.crt"));
}

std::string door_pairs(const Plan& plan, Way way, Access access) {
  if (way == Way::libpq || !plan.door) return {};
  const DoorPlan& door = *plan.door;
  const auto port = way == Way::pgbouncer          ? door.pooler
                    : access == Access::read_write ? door.read_write
                                                   : door.read_only;
  const std::string tls = tls_pairs(plan);
  return fmt::format("host={} port={} user=postgres dbname=postgres{}{}", door.host, port,
                     tls.empty() ? "" : " ", tls);
}

std::string lookup_sql() {
  return "CREATE SCHEMA IF NOT EXISTS pgbouncer;\n"
         "CREATE OR REPLACE FUNCTION pgbouncer.user_lookup"
         "(wanted text, OUT usename name, OUT passwd text)\n"
         "  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS\n"
         "  $$ SELECT s.usename, s.passwd FROM pg_shadow s WHERE s.usename = wanted $$;\n"
         "REVOKE ALL ON FUNCTION pgbouncer.user_lookup(text) FROM PUBLIC;\n"
         "GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;\n"
         "GRANT EXECUTE ON FUNCTION pgbouncer.user_lookup(text) TO pgbouncer;\n";
}

std::string chosen_server(std::string_view answer) {
  std::istringstream lines{std::string(answer)};
  std::string chosen;
  for (std::string line; std::getline(lines, line);) {
    // be_id be_name srv_id srv_name srv_addr srv_op_state …; 2 = running.
    std::istringstream words(line);
    std::string backend_id, backend, id, name, address;
    int state = 0;
    if (!(words >> backend_id >> backend >> id >> name >> address >> state)) continue;
    if (backend != "read-write" || state != 2) continue;
    if (!chosen.empty()) return {};
    chosen = name;
  }
  return chosen;
}

std::string state_to_keep(const std::string& answer, const Plan& plan) {
  std::string out = answer.substr(0, answer.find_last_not_of('\n') + 1) + "\n";
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    const auto& node = plan.nodes[i];
    if (answer.find(" " + node.name + " ") != std::string::npos) continue;
    // As of a server whose last check failed. Backends and servers are known by their names, so the
    // numbers of both say nothing.
    out += fmt::format("0 read-write {} {} {} 0 0 1 1 0 17 2 0 6 0 0 0 - {} - 0 {} - - {}\n", i + 1,
                       node.name, node.host, node.postgres_port, node.rest_port, node.rest_port);
  }
  return out;
}

}  // namespace aurum::stack
