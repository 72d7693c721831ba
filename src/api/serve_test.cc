// The whole way: bytes into an HttpServer, through the Api, and bytes back.

#include <gtest/gtest.h>

#include "api/access.h"
#include "api/api.h"
#include "api/testing/fake_node.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/testing/loop.h"
#include "net/testing/silent_log.h"

namespace aurum::api {
namespace {

struct Serve : ::testing::Test {
  testing::FakeNode node;
  Api api{node, {.identity = {.aurum_version = "0.1.0", .patroni_version = "4.1.4"}}};
  net::testing::SilentLog log;
  net::testing::LoopThread loop;
  net::HttpServer server{loop.io().get_executor(),
                         {.listen = "127.0.0.1:0"},
                         [this](net::HttpRequest r) { return api.handle(std::move(r)); },
                         log};

  void SetUp() override {
    node.config.rest.server_tokens = "minimal";
    server.set_headers(server_header(node.config.rest, "4.1.4", "0.1.0"), {{"X-Extra", "one"}});
    auto started = loop.run(server.start());
    ASSERT_TRUE(started.has_value()) << started.error().text();
  }
  void TearDown() override {
    runtime::asio::co_spawn(loop.io(), server.stop(), runtime::asio::use_future).get();
  }
  std::string ask(std::string_view bytes) {
    net::testing::RawClient client(server.port());
    client.send(bytes);
    auto got = client.read_all();
    const auto date = got.find("Date: ");
    if (date != std::string::npos) got.replace(date, got.find('\r', date) - date, "Date: now");
    return got;
  }
};

TEST_F(Serve, BytesAreThoseOfTheSpecification) {
  EXPECT_EQ(ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
  EXPECT_EQ(ask("OPTIONS /replica HTTP/1.0\r\n\r\n"), "HTTP/1.0 503 Service Unavailable\r\n\r\n");
  EXPECT_EQ(ask("GET /liveness HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
  EXPECT_EQ(
      ask("GET /config HTTP/1.0\r\n\r\n"),
      "HTTP/1.0 200 OK\r\nServer: Patroni/4.1.4\r\nDate: now\r\nContent-Type: application/json\r\n"
      "X-Extra: one\r\n\r\n{\"ttl\": 30, \"loop_wait\": 10}");
  EXPECT_EQ(
      ask("POST /reload HTTP/1.0\r\n\r\n"),
      "HTTP/1.0 202 Accepted\r\nServer: Patroni/4.1.4\r\nDate: now\r\nContent-Type: text/html\r\n"
      "X-Extra: one\r\n\r\nreload scheduled");
  const auto page = ask("POST /nosuch HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(page.starts_with(
      "HTTP/1.0 501 Unsupported method ('POST')\r\nServer: Patroni/4.1.4\r\nDate: "
      "now\r\nConnection: close\r\n"
      "Content-Type: text/html;charset=utf-8\r\nContent-Length: 357\r\n\r\n<!DOCTYPE HTML>\n"))
      << page;
}

TEST_F(Serve, OurOwnClientUnderstandsIt) {
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port());
  auto status = loop.run(net::http_call({.url = url + "/patroni", .timeout = seconds(5)}));
  ASSERT_TRUE(status.has_value()) << status.error().text();
  const auto document = model::parse_json(status->body);
  ASSERT_TRUE(document.has_value());
  const auto peer = model::decode_peer_status(*document);
  EXPECT_TRUE(peer.running);
  EXPECT_FALSE(peer.in_recovery);
  EXPECT_EQ(peer.position, model::Lsn{1000});
  EXPECT_EQ(peer.version, "4.1.4");
  auto alive = loop.run(net::http_call({.url = url + "/liveness", .timeout = seconds(5)}));
  ASSERT_TRUE(alive.has_value()) << alive.error().text();
  EXPECT_EQ(alive->status, 200);
  auto patched = loop.run(net::http_call(
      {.method = "PATCH", .url = url + "/config", .body = "{\"ttl\":20}", .timeout = seconds(5)}));
  ASSERT_TRUE(patched.has_value()) << patched.error().text();
  EXPECT_EQ(patched->body, "{\"ttl\": 20, \"loop_wait\": 10}");
}

}  // namespace
}  // namespace aurum::api
