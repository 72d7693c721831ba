// Endpoints from DNS, against a real etcd: what DNS says is used, and asked for again when nobody
// there answers any more.

#include <atomic>

#include "dcs/etcd/client.h"
#include "dcs/testing/dns_message.h"
#include "dcs/testing/etcd_store_fixture.h"
#include "dcs/testing/run.h"

namespace aurum::dcs {
namespace {

using testing::SrvRow;

TEST(EtcdSrv, endpoints_come_from_dns_and_move_with_it) {
  testing::EtcdCluster cluster({.members = 1});
  cluster.start_all();
  const std::string host = cluster.config().hosts.at(0);
  const int live = std::stoi(host.substr(host.rfind(':') + 1));
  std::atomic<int> port = testing::free_ports(1)[0];  // at first nobody listens there
  std::atomic<int> asked = 0;
  boost::asio::io_context io;
  testing::MemoryLog log;
  model::EtcdConfig config;
  config.srv = "example.org";
  config.srv_suffix = "demo";
  auto client = std::make_shared<etcd::Client>(
      io.get_executor(), config, log, [&](const std::string& name) -> Result<std::string> {
        if (name != "_etcd-client-demo._tcp.example.org") return fail(Code::unavailable, "none");
        if (++asked > 1) port = live;
        return testing::dns_answer(name, {{1, 1, port, "127.0.0.1"}});
      });
  auto connection = testing::run(io, client->connection(runtime::now() + seconds(15)));
  ASSERT_NE(connection, nullptr) << client->unreachable().text() << "\n" << log.text();
  EXPECT_EQ(connection->authority(), "127.0.0.1:" + std::to_string(live));
  EXPECT_GE(asked, 2);
  client->close();
  io.restart();
  io.poll();
}

// As Patroni does it: the ports of the members for each other say where clients are served.
TEST(EtcdSrv, records_of_servers_lead_to_the_ports_of_clients) {
  testing::EtcdCluster cluster({.members = 1});
  cluster.start_all();
  const std::string host = cluster.config().hosts.at(0);
  boost::asio::io_context io;
  testing::MemoryLog log;
  model::EtcdConfig config;
  config.srv = "example.org";
  auto client = std::make_shared<etcd::Client>(
      io.get_executor(), config, log, [&](const std::string& name) -> Result<std::string> {
        if (name != "_etcd-server._tcp.example.org") return fail(Code::unavailable, "none");
        return testing::dns_answer(name, {{1, 1, cluster.peer_port(0), "127.0.0.1"}});
      });
  auto connection = testing::run(io, client->connection(runtime::now() + seconds(15)));
  ASSERT_NE(connection, nullptr) << client->unreachable().text() << "\n" << log.text();
  EXPECT_EQ(connection->authority(), host);
  client->close();
  io.restart();
  io.poll();
}

TEST(EtcdSrv, a_domain_without_records_is_one_clear_line) {
  boost::asio::io_context io;
  testing::MemoryLog log;
  model::EtcdConfig config;
  config.srv = "example.org";
  auto client = std::make_shared<etcd::Client>(
      io.get_executor(), config, log,
      [](const std::string&) -> Result<std::string> { return fail(Code::unavailable, "none"); });
  EXPECT_EQ(testing::run(io, client->connection(runtime::now() + milliseconds(300))), nullptr);
  EXPECT_EQ(client->unreachable().message,
            "etcd3.srv: DNS has no SRV records of etcd for example.org: none");
  EXPECT_EQ(log.count("etcd.unreachable"), 1) << log.text();
  client->close();
  io.restart();
  io.poll();
}

}  // namespace
}  // namespace aurum::dcs
