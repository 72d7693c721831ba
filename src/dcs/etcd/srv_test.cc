#include "dcs/etcd/srv.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dcs/testing/dns_message.h"
#include "dcs/testing/run.h"

namespace aurum::dcs::etcd {
namespace {

using testing::dns_answer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::SrvRow;

/// What DNS has; every name that was asked for.
struct Zone {
  std::map<std::string, std::vector<SrvRow>> names;
  std::vector<std::string> asked;
  SrvLookup lookup() {
    return [this](const std::string& name) -> Result<std::string> {
      asked.push_back(name);
      if (!names.contains(name)) return fail(Code::unavailable, "unknown host");
      return dns_answer(name, names[name]);
    };
  }
};

TEST(Srv, TheNamesAreThoseOfPatroniInItsOrder) {
  EXPECT_THAT(srv_names("example.org", ""),
              ElementsAre("_etcd-client-ssl._tcp.example.org", "_etcd-client._tcp.example.org",
                          "_etcd-ssl._tcp.example.org", "_etcd._tcp.example.org",
                          "_etcd-server-ssl._tcp.example.org", "_etcd-server._tcp.example.org"));
  EXPECT_EQ(srv_names("example.org", "foo")[0], "_etcd-client-ssl-foo._tcp.example.org");
}

TEST(Srv, RecordsAreSortedByPriorityThenWeight) {
  const auto found = parse_srv(dns_answer(
      "x", {{20, 0, 3, "c.org"}, {10, 1, 2, "b.org"}, {10, 5, 1, "a.org"}, {0, 0, 9, ""}}));
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_THAT(*found,
              ElementsAre(Endpoint{"a.org", 1}, Endpoint{"b.org", 2}, Endpoint{"c.org", 3}));
}

TEST(Srv, WhatIsNoAnswerIsAnError) {
  const std::string whole = dns_answer("_etcd._tcp.x", {{1, 1, 2379, "a.org"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto found = parse_srv(whole.substr(0, size));
    EXPECT_TRUE(!found || found->empty()) << size;
  }
  std::string loop = whole;  // a name that points at itself
  loop.replace(loop.size() - 7, 2, "\xc0" + std::string(1, static_cast<char>(loop.size() - 7)));
  static_cast<void>(parse_srv(loop));
}

TEST(Srv, TheFirstNameThatHasEndpointsCounts) {
  Zone zone;
  zone.names["_etcd-client._tcp.x"] = {{1, 1, 2379, "a.x"}};
  zone.names["_etcd._tcp.x"] = {{1, 1, 2379, "b.x"}};
  auto found = find_srv("x", "", zone.lookup());
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_THAT(found->endpoints, ElementsAre(Endpoint{"a.x", 2379}));
  EXPECT_FALSE(found->tls);
  EXPECT_EQ(zone.asked.size(), 2U);
  zone.names["_etcd-client-ssl._tcp.x"] = {{1, 1, 2379, "s.x"}};
  found = find_srv("x", "", zone.lookup());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->tls);
}

TEST(Srv, NoRecordsGetALineThatHelps) {
  Zone zone;
  auto found = find_srv("x", "", zone.lookup());
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("no SRV records of etcd for x: unknown host"));
}

TEST(Srv, PortsOfServersAreAskedForLastAndOnlyNameTheMembers) {
  Zone zone;
  zone.names["_etcd-server._tcp.x"] = {{1, 1, 2380, "a.x"}};
  auto found = find_srv("x", "", zone.lookup());
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_TRUE(found->peers);
  EXPECT_FALSE(found->tls);
  zone.names["_etcd-server-ssl._tcp.x"] = {{1, 1, 2380, "a.x"}};
  EXPECT_TRUE(find_srv("x", "", zone.lookup())->tls);
  zone.names["_etcd._tcp.x"] = {{1, 1, 2379, "a.x"}};
  EXPECT_FALSE(find_srv("x", "", zone.lookup())->peers);
}

TEST(Srv, MembersTellWhereClientsAreServed) {
  const char* body = R"([{"id":1,"peerURLs":["http://a:2380"],"name":"a",
      "clientURLs":["http://a:2379","https://a:2378"]},
      {"id":2,"peerURLs":["http://b:2380"],"name":""},
      {"id":3,"clientURLs":["nonsense",5]}, 7])";
  EXPECT_THAT(parse_members(body, false).value(), ElementsAre(Endpoint{"a", 2379}));
  EXPECT_THAT(parse_members(body, true).value(), ElementsAre(Endpoint{"a", 2378}));
  for (const auto* nonsense : {"", "{}", "404 page not found", "[", "5"})
    EXPECT_FALSE(parse_members(nonsense, false)) << nonsense;
}

// FAILURES F45: a name server that hangs costs the time that was given, and no more.
TEST(Srv, AHangingLookupIsLeftBehind) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;
  };
  auto gate = std::make_shared<Gate>();
  boost::asio::io_context io;
  const SrvLookup hangs = [gate](const std::string&) -> Result<std::string> {
    std::unique_lock lock(gate->mutex);
    gate->changed.wait(lock, [&] { return gate->open; });
    return fail(Code::unavailable, "late");
  };
  const auto found = testing::run(io, find_srv_within("x", "", milliseconds(50), hangs));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::timeout);
  const std::lock_guard lock(gate->mutex);
  gate->open = true;
  gate->changed.notify_all();
}

TEST(Srv, ANameServerIsAskedOnTheWire) {
  const int server = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(server, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::getsockname(server, reinterpret_cast<sockaddr*>(&at), &size), 0);
  std::thread answering([server] {
    char query[512];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const auto n =
        ::recvfrom(server, query, sizeof query, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 2) return;
    const auto answer = dns_answer("_etcd._tcp.x.org", {{1, 1, 2379, "a.x.org"}},
                                   {query, static_cast<std::size_t>(n)});
    ::sendto(server, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
  });
  const auto answer = srv_lookup_at(ntohs(at.sin_port), "_etcd._tcp.x.org");
  answering.join();
  ::close(server);
  ASSERT_TRUE(answer) << answer.error().text();
  const auto found = parse_srv(*answer);
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_THAT(*found, ElementsAre(Endpoint{"a.x.org", 2379}));
}

}  // namespace
}  // namespace aurum::dcs::etcd
