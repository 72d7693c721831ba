// HAProxy and PgBouncer of a local stack: the settings of the images, and what the agents are told.
#include "stack/door.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::stack {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

/// The lines of a configuration without comments and blanks.
std::multiset<std::string> settings(const std::string& text) {
  std::multiset<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    line = line.substr(std::min(line.size(), line.find_first_not_of(' ')));
    if (!line.empty() && !line.starts_with('#') && !line.starts_with(';')) out.insert(line);
  }
  return out;
}
std::string shipped(const std::string& name) {
  std::ifstream in(std::string(AURUM_SOURCE_DIR "/config/") + name);
  return {std::istreambuf_iterator<char>(in), {}};
}
/// What is said in only one of the two.
std::vector<std::string> only_in(const std::string& one, const std::string& other) {
  const auto a = settings(one), b = settings(other);
  std::vector<std::string> out;
  std::ranges::set_difference(a, b, std::back_inserter(out));
  return out;
}

Plan with_door(bool tls) {
  auto plan = default_plan("/base").value();
  plan.door = default_door(0);
  plan.tls = tls;
  return plan;
}

// Where they differ it is because of where they are: addresses and files, DNS of containers, and
// PostgreSQL's max_connections.
TEST(Door, haproxy_has_the_settings_of_the_images) {
  const auto here = haproxy_conf(with_door(true));
  EXPECT_THAT(only_in(shipped("haproxy.cfg"), here),
              UnorderedElementsAre(
                  StartsWith("stats socket "), StartsWith("server-state-file "),
                  StartsWith("default-server init-addr "), "default-server maxconn 180",
                  "resolvers docker", StartsWith("nameserver "), StartsWith("resolve_retries "),
                  StartsWith("timeout resolve "), StartsWith("timeout retry "), StartsWith("hold "),
                  StartsWith("hold "), StartsWith("hold "), "bind :5000", "bind :5001",
                  StartsWith("bind :9999 ssl crt "), StartsWith("bind :8404 ssl crt "),
                  StartsWith("tcp-request session reject unless "), StartsWith("server socket "),
                  StartsWith("server postgres-1 "), StartsWith("server postgres-2 "),
                  StartsWith("server postgres-3 "), StartsWith("server postgres-4 "),
                  ".if defined(POSTGRES_4)", ".endif", StartsWith("server postgres-1 "),
                  StartsWith("server postgres-2 "), StartsWith("server postgres-3 "),
                  StartsWith("server postgres-4 "), ".if defined(POSTGRES_4)", ".endif",
                  // Alerts and health of containers.
                  "backend pgbouncer", "option tcp-check", StartsWith("tcp-check connect "),
                  StartsWith("tcp-check send-binary "), StartsWith("tcp-check expect "),
                  StartsWith("server pgbouncer "), "frontend health", "mode http",
                  "bind 127.0.0.1:8405", "timeout client 5s", StartsWith("monitor-uri ")));
  EXPECT_THAT(
      only_in(here, shipped("haproxy.cfg")),
      UnorderedElementsAre(
          "stats socket '/base/run/haproxy.sock' mode 600 level admin",
          "server-state-file '/base/run/haproxy.state'",
          "default-server check check-ssl verify required ca-file '/base/certs/haproxy/ca.crt'",
          "default-server maxconn 90", "bind 127.0.0.1:5000", "bind 127.0.0.1:5001",
          "bind 127.0.0.1:9999 ssl crt '/base/certs/haproxy/server.pem' ca-file "
          "'/base/certs/haproxy/ca.crt' verify required ssl-min-ver TLSv1.2",
          "bind 127.0.0.1:8404 ssl crt '/base/certs/haproxy/server.pem' ssl-min-ver TLSv1.2",
          "tcp-request session reject unless { ssl_c_s_dn(cn) -m str node-1 node-2 node-3 }",
          "server socket 'unix@/base/run/haproxy.sock' no-check",
          "server node-1 127.0.0.1:5432 port 8008 check-sni node-1",
          "server node-2 127.0.0.1:5433 port 8009 check-sni node-2",
          "server node-3 127.0.0.1:5434 port 8010 check-sni node-3",
          "server node-1 127.0.0.1:5432 port 8008 check-sni node-1",
          "server node-2 127.0.0.1:5433 port 8009 check-sni node-2",
          "server node-3 127.0.0.1:5434 port 8010 check-sni node-3"));
}

TEST(Door, pgbouncer_has_the_settings_of_the_images) {
  const auto here = pgbouncer_conf(with_door(true));
  EXPECT_THAT(
      only_in(shipped("pgbouncer.ini"), here),
      UnorderedElementsAre(
          "* = host=haproxy port=5000 auth_user=pgbouncer", "listen_addr = 0.0.0.0",
          StartsWith("unix_socket_dir = "), "max_db_connections = 100", StartsWith("auth_file = "),
          StartsWith("client_tls_cert_file = "), StartsWith("client_tls_key_file = "),
          StartsWith("client_tls_ca_file = "), StartsWith("server_tls_ca_file = ")));
  EXPECT_THAT(only_in(here, shipped("pgbouncer.ini")),
              UnorderedElementsAre("* = host=127.0.0.1 port=5000 auth_user=pgbouncer",
                                   "listen_addr = 127.0.0.1",
                                   "unix_socket_dir =", "max_db_connections = 50",
                                   "auth_file = /base/conf/pgbouncer.users",
                                   "client_tls_cert_file = /base/certs/pgbouncer/server.crt",
                                   "client_tls_key_file = /base/certs/pgbouncer/server.key",
                                   "client_tls_ca_file = /base/certs/pgbouncer/ca.crt",
                                   "server_tls_ca_file = /base/certs/pgbouncer/ca.crt"));
}

TEST(Door, without_tls_nothing_asks_for_certificates) {
  const auto plan = with_door(false);
  EXPECT_EQ(haproxy_conf(plan).find("ssl"), std::string::npos);
  EXPECT_EQ(pgbouncer_conf(plan).find("tls"), std::string::npos);
  EXPECT_THAT(haproxy_conf(plan), HasSubstr("stats socket ipv4@127.0.0.1:9999 level admin\n"));
}

TEST(Door, agents_tell_it_who_leads_and_foreign_ones_have_no_such_key) {
  auto plan = free_port_plan("/base").value();
  ASSERT_TRUE(set_agent(plan, "aurum@fast"));
  ASSERT_TRUE(plan_door(plan, Way::pgbouncer));
  EXPECT_THAT(door_names(plan), ElementsAre("haproxy", "pgbouncer"));
  const Secrets secrets{"s", "r", "w", "t", "k", "p"};
  const auto yaml = agent_config(plan, secrets, 0, {"/pg/bin", ""}).value();
  for (const auto& part : {fmt::format("haproxy:\n      - \"127.0.0.1:{}\"\n", plan.door->runtime),
                           fmt::format("pgbouncer:\n      - \"127.0.0.1:{}\"\n", plan.door->pooler),
                           std::string("pgbouncer_password: p\n"), std::string("profile: fast\n")})
    EXPECT_THAT(yaml, HasSubstr(part));
  plan.tls = true;
  EXPECT_THAT(agent_config(plan, secrets, 1, {"/pg/bin", ""}).value(),
              HasSubstr("cert_file: /base/certs/node-2/rest.crt\n"));
  auto other = free_port_plan("/base").value();
  ASSERT_TRUE(set_agent(other, "patroni"));
  ASSERT_TRUE(plan_door(other, Way::haproxy));
  EXPECT_THAT(door_names(other), ElementsAre("haproxy"));
  EXPECT_EQ(agent_config(other, secrets, 0, {"/pg/bin", ""})->find("routing"), std::string::npos);
  auto direct = free_port_plan("/base").value();
  ASSERT_TRUE(plan_door(direct, Way::libpq));
  EXPECT_THAT(door_names(direct), IsEmpty());
}

TEST(Door, survives_the_plans_file_and_needs_room_for_its_socket) {
  auto plan = with_door(false);
  EXPECT_EQ(plan_from_json(to_json(plan), "/base")->door->statistics, 8404);
  EXPECT_FALSE(plan_from_json(to_json(default_plan("/base").value()), "/base")->door);
  plan.door->pooler = plan.door->read_only;
  EXPECT_FALSE(check(plan));
  plan = with_door(false);
  plan.dir = "/" + std::string(80, 'x');
  EXPECT_THAT(check(plan).error().message, HasSubstr("too long a name"));
}

TEST(Door, knows_whom_haproxy_sends_writes_to) {
  const auto state = [](int one, int two) {
    return fmt::format(
        "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n"
        "3 read-write 1 node-1 127.0.0.1 {} 0 1 1 5 6 3 7 6 0 0 0 - 5432 -\n"
        "3 read-write 2 node-2 127.0.0.1 {} 0 1 1 5 6 3 7 6 0 0 0 - 5433 -\n"
        "4 read-only 1 node-3 127.0.0.1 2 0 1 1 5 6 3 7 6 0 0 0 - 5434 -\n",
        one, two);
  };
  EXPECT_EQ(chosen_server(state(0, 2)), "node-2");
  EXPECT_EQ(chosen_server(state(2, 2)), "");
  EXPECT_EQ(chosen_server(state(0, 0)), "");
  EXPECT_EQ(chosen_server(""), "");
}

TEST(Door, a_node_that_is_new_to_haproxy_is_no_primary) {
  auto plan = with_door(false);
  const std::string known =
      "1\n# be_id\n3 read-write 1 node-1 127.0.0.1 2 0\n"
      "3 read-write 2 node-2 127.0.0.1 0 0\n";
  const auto kept = state_to_keep(known + "\n", plan);
  EXPECT_TRUE(kept.starts_with(known)) << kept;
  EXPECT_THAT(
      kept,
      HasSubstr(
          " read-write 3 node-3 127.0.0.1 0 0 1 1 0 17 2 0 6 0 0 0 - 5434 - 0 8010 - - 8010\n"));
  EXPECT_EQ(chosen_server(kept), "node-1");
  plan.nodes.pop_back();
  EXPECT_EQ(state_to_keep(known + "\n", plan), known);
}

}  // namespace
}  // namespace aurum::stack
