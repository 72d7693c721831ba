// Scenario: the certificate that this node shows HAProxy is renewed on the disk. What is verified:
// HAProxy is told by the new one from then on, and by the former while the new one is unusable.
#include "route/router.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "net/stream.h"
#include "net/testing/certificates.h"
#include "net/testing/loop.h"
#include "net/testing/silent_log.h"

namespace aurum::route {
namespace {

namespace asio = runtime::asio;
namespace fs = std::filesystem;
using asio::ip::tcp;

/// HAProxy's runtime socket by TLS, as far as a leader needs it.
class Door {
 public:
  Door(asio::io_context& io, net::TlsContextPtr tls)
      : acceptor_(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), tls_(std::move(tls)) {}
  std::string where() const {
    return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  /// One command: whose certificate came with it.
  Task<std::string> hear() {
    auto [ec, socket] = co_await acceptor_.async_accept(runtime::use_task);
    if (ec) co_return ec.message();
    auto stream = net::tls_stream(std::move(socket), tls_);
    net::Deadline deadline(acceptor_.get_executor(), *stream);
    deadline.set(seconds(10));
    if (const auto failed = co_await stream->handshake(); failed) co_return failed.message();
    std::array<char, 1024> command{};
    const auto got = co_await stream->read_some(command);
    std::string who = got.ec ? got.ec.message() : stream->peer_common_name();
    co_await stream->write("\n");
    co_await stream->finish();
    co_return who;
  }

 private:
  tcp::acceptor acceptor_;
  net::TlsContextPtr tls_;
};

struct RouterCertificates : ::testing::Test {
  net::testing::CertificateDir certs;
  net::testing::SilentLog log;
  std::optional<Router> router;  ///< outlives what runs on the loop
  net::testing::LoopThread loop;
  model::LocalConfig config;

  std::string own(const char* what) { return certs.path(std::string("own") + what); }
  /// As a renewal does: other files by the same names.
  void install(const std::string& name) {
    for (const char* what : {".crt", ".key"})
      fs::copy_file(certs.path(name + what), own(what), fs::copy_options::overwrite_existing);
  }
};

TEST_F(RouterCertificates, are_taken_up_when_they_are_renewed) {
  const auto tls = net::make_server_tls({.certfile = certs.path("server.crt"),
                                         .keyfile = certs.path("server.key"),
                                         .cafile = certs.path("ca.crt"),
                                         .verify_client = net::VerifyClient::required});
  ASSERT_TRUE(tls) << tls.error().text();
  Door door(loop.io(), *tls);
  install("server");
  config.name = "node-1";
  config.aurum.routing.haproxy = {door.where()};
  config.aurum.routing.ca_file = certs.path("ca.crt");
  config.aurum.routing.cert_file = own(".crt");
  config.aurum.routing.key_file = own(".key");
  router.emplace(loop.io().get_executor(), log);
  const auto told_by = [&] {
    auto heard = asio::co_spawn(loop.io(), door.hear(), asio::use_future);
    loop.call([&] { router->leads({}); });
    return heard.get();
  };
  loop.call([&] { router->reconfigure(config); });
  EXPECT_EQ(told_by(), "localhost");
  install("client");
  EXPECT_EQ(told_by(), "localhost");
  EXPECT_TRUE(loop.call([&] { return router->renew_certificates(); }));
  EXPECT_EQ(told_by(), "alice");
  std::ofstream(own(".key")) << "half of a key";
  const auto broken = loop.call([&] { return router->renew_certificates(); });
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().text().find("own.key"), std::string::npos) << broken.error().text();
  EXPECT_EQ(told_by(), "alice");
}

TEST(LookUp, gives_each_address_of_a_name_as_a_door_of_its_own) {
  net::testing::LoopThread loop;
  const auto found = [&](const char* where) {
    auto doors = asio::co_spawn(loop.io(), look_up(where, seconds(2)), asio::use_future).get();
    EXPECT_TRUE(doors) << (doors ? "" : doors.error().text());
    return doors.value_or(std::vector<Address>{});
  };
  const auto one = found("127.0.0.1:9999");
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].text(), "127.0.0.1:9999");
  // Whichever of its two addresses there is behind it, it is one door.
  const auto local = found("localhost:9999");
  ASSERT_EQ(local.size(), 1U);
  EXPECT_EQ(local[0].host, "localhost");
}

}  // namespace
}  // namespace aurum::route
