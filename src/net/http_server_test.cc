#include "net/http_server.h"

#include <fstream>
#include <regex>

#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/testing/certificates.h"
#include "net/testing/loop.h"
#include "net/testing/silent_log.h"

namespace aurum::net {
namespace {

using testing::CertificateDir;
using testing::LoopThread;
using testing::RawClient;
namespace asio = runtime::asio;

Task<HttpResponse> echo(HttpRequest request) {
  HttpResponse out;
  if (request.target == "/throw") throw std::runtime_error("boom");
  if (request.target == "/alive") {
    out.status_only = true;
    co_return out;
  }
  if (request.target == "/wait") {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
    co_await timer.async_wait(asio::use_awaitable);
  }
  out.content_type = "application/json";
  out.body = request.method + " " + request.target + " " + request.peer_address + " " +
             (request.has_length ? "length " : "no-length ") + request.body + " " +
             (request.has_client_certificate ? request.client_common_name : "-");
  co_return out;
}

/// A server on a free loopback port.
struct Served {
  explicit Served(HttpServerOptions options = {}) {
    if (options.listen.empty()) options.listen = "127.0.0.1:0";
    server = std::make_unique<HttpServer>(loop.io().get_executor(), std::move(options), echo, log);
    auto started = loop.run(server->start());
    EXPECT_TRUE(started.has_value()) << started.error().text();
    port = server->port();
  }
  ~Served() { stop(); }
  void stop() {
    if (server == nullptr) return;
    runtime::asio::co_spawn(loop.io(), server->stop(), asio::use_future).get();
    loop.call([this] { server.reset(); });
  }
  std::string ask(std::string_view bytes) const {
    RawClient client(port);
    client.send(bytes);
    return client.read_all();
  }
  Result<HttpResponse> call(HttpCall c) { return loop.run(http_call(std::move(c))); }

  testing::SilentLog log;
  LoopThread loop;
  std::unique_ptr<HttpServer> server;
  std::uint16_t port = 0;
};

TEST(HttpServer, RepliesAsHttp10AndCloses) {
  Served s;
  s.loop.call([&] { s.server->set_headers("Patroni/4.1.4", {{"X-Extra", "one"}}); });
  auto got = s.ask("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(std::regex_match(
      got,
      std::regex("HTTP/1\\.0 200 OK\r\nServer: Patroni/4\\.1\\.4\r\n"
                 "Date: [A-Z][a-z]{2}, \\d\\d [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d GMT\r\n"
                 "Content-Type: application/json\r\nX-Extra: one\r\n\r\n"
                 "GET /a\\?b=c 127\\.0\\.0\\.1 no-length  -")))
      << got;
}

TEST(HttpServer, StaysOpenForWhoAsksForIt) {
  Served s;
  s.loop.call([&] { s.server->set_headers("S", {{"X-Extra", "one"}}); });
  // Both are there before the first is answered; the last one asks for the end.
  const auto got = s.ask(
      "GET /alive HTTP/1.1\r\nConnection: Keep-Alive\r\n\r\n"
      "POST /x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"
      "GET /last HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(std::regex_match(
      got,
      std::regex("HTTP/1\\.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
                 "HTTP/1\\.0 200 OK\r\nServer: S\r\nDate: [^\r]*\r\n"
                 "Content-Type: application/json\r\nX-Extra: one\r\n"
                 "Connection: keep-alive\r\nContent-Length: 29\r\n\r\n"
                 "POST /x 127\\.0\\.0\\.1 length hi -"
                 "HTTP/1\\.0 200 OK\r\nServer: S\r\n[^]*GET /last 127\\.0\\.0\\.1 no-length  -")))
      << got;
}

TEST(HttpServer, AnOpenConnectionEndsWithAnErrorOrItsTime) {
  HttpServerOptions options;
  options.request_timeout = milliseconds(200);
  Served s(options);
  RawClient idle(s.port);
  idle.send("GET /alive HTTP/1.1\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(idle.read_all().ends_with("Content-Length: 0\r\n\r\n"));  // and then the end
  const auto got = s.ask("BAD\r\nConnection: keep-alive\r\n\r\nGET /alive HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.0 400 ")) << got;
  EXPECT_EQ(got.find("200 OK"), std::string::npos) << got;
}

TEST(HttpServer, StatusOnlyReplyIsExact) {
  Served s;
  EXPECT_EQ(s.ask("GET /alive HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\n");
}

TEST(HttpServer, BodiesComeByLengthAlsoInPieces) {
  Served s;
  RawClient client(s.port);
  client.send("POST /x HTTP/1.0\r\nConte");
  client.send("nt-Length: 5\r\n\r\nhe");
  client.send("llo");
  auto got = client.read_all();
  EXPECT_TRUE(got.ends_with("POST /x 127.0.0.1 length hello -")) << got;
}

TEST(HttpServer, UnknownMethodsReachTheHandler) {
  Served s;
  EXPECT_TRUE(s.ask("FOO /x HTTP/1.0\r\n\r\n").ends_with("FOO /x 127.0.0.1 no-length  -"));
}

TEST(HttpServer, BadRequestsGetAPage) {
  Served s;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"GARBAGE\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n"},
      {"POST /x HTTP/1.0\r\nContent-Length: x\r\n\r\n{}", "HTTP/1.0 400 Bad Request\r\n"},
      {std::string("GET / HTTP/1.0\r\nX: ") + std::string(20000, 'a') + "\r\n\r\n",
       "HTTP/1.0 431 Request Header Fields Too Large\r\n"},
      {"POST /x HTTP/1.0\r\nContent-Length: 1048577\r\n\r\n" + std::string(1048577, 'b'),
       "HTTP/1.0 413 Request Entity Too Large\r\n"},
      {"GET /throw HTTP/1.0\r\n\r\n", "HTTP/1.0 500 Internal Server Error\r\n"},
  };
  for (const auto& [request, status] : cases) {
    auto got = s.ask(request);
    EXPECT_TRUE(got.starts_with(status)) << got.substr(0, 100);
    EXPECT_NE(got.find("Content-Type: text/html;charset=utf-8\r\n"), std::string::npos);
    EXPECT_EQ(got.find("<reset>"), std::string::npos);
  }
}

TEST(HttpServer, ASlowCallerIsClosed) {
  Served s({.request_timeout = milliseconds(50)});
  RawClient client(s.port);
  client.send("GET / HTT");
  EXPECT_EQ(client.read_all(), "");
}

TEST(HttpServer, SilentCallersMakeRoom) {
  Served s({.connections_max = 2});
  RawClient first(s.port), second(s.port), third(s.port);
  EXPECT_EQ(first.read_all(), "");  // the oldest one goes
  third.send("GET /alive HTTP/1.0\r\n\r\n");
  EXPECT_EQ(third.read_all(), "HTTP/1.0 200 OK\r\n\r\n");
}

TEST(HttpServer, StopEndsRunningHandlers) {
  Served s;
  RawClient client(s.port);
  client.send("GET /wait HTTP/1.0\r\n\r\n");
  while (s.loop.call([&] { return s.server->connections(); }) == 0) std::this_thread::yield();
  s.stop();
  EXPECT_EQ(client.read_all(), "");
}

TEST(HttpServer, ABusyPortIsOneClearError) {
  Served s;
  std::string listen = "127.0.0.1:" + std::to_string(s.port);
  HttpServer second(s.loop.io().get_executor(), {.listen = listen}, echo, s.log);
  auto started = s.loop.run(second.start());
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().message,
            "restapi.listen: cannot listen on " + listen + ": Address already in use");
  EXPECT_NE(started.error().hint.find("ss -ltnp 'sport = :" + std::to_string(s.port) + "'"),
            std::string::npos);
}

TEST(HttpServer, ListenFormsAreReadOrRefused) {
  for (const char* good : {"*:0", ":0", "localhost:0", "[127.0.0.1]:0", "127.0.0.1, 127.0.0.2:0"}) {
    Served s({.listen = good});
    EXPECT_NE(s.port, 0) << good;
    RawClient client(s.port);
    client.send("GET / HTTP/1.0\r\n\r\n");
    auto got = client.read_all();
    EXPECT_TRUE(got.ends_with("GET / 127.0.0.1 no-length  -")) << good << ": " << got;
  }
  testing::SilentLog log;
  LoopThread loop;
  for (const char* bad : {"8008", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", ""}) {
    HttpServer server(loop.io().get_executor(), {.listen = bad}, echo, log);
    auto started = loop.run(server.start());
    ASSERT_FALSE(started.has_value()) << bad;
    EXPECT_EQ(started.error().code, Code::invalid);
    EXPECT_NE(started.error().message.find("is not HOST:PORT"), std::string::npos);
  }
}

// --- TLS

HttpServerOptions tls_options(const CertificateDir& certs, VerifyClient verify) {
  HttpServerOptions o;
  o.tls = ServerTls{.certfile = certs.path("server.crt"),
                    .keyfile = certs.path("server.key"),
                    .cafile = certs.path("ca.crt"),
                    .verify_client = verify};
  return o;
}

TEST(HttpServerTls, ServesAndKnowsTheClient) {
  CertificateDir certs;
  Served s(tls_options(certs, VerifyClient::optional));
  HttpCall call{.url = "https://127.0.0.1:" + std::to_string(s.port) + "/x",
                .tls = {.cafile = certs.path("ca.crt"), .verify_host = true},
                .timeout = seconds(5)};
  auto anonymous = s.call(call);
  ASSERT_TRUE(anonymous.has_value()) << anonymous.error().text();
  EXPECT_TRUE(anonymous->body.ends_with(" -")) << anonymous->body;
  call.tls.certfile = certs.path("client.crt");
  call.tls.keyfile = certs.path("client.key");
  auto known = s.call(call);
  ASSERT_TRUE(known.has_value()) << known.error().text();
  EXPECT_TRUE(known->body.ends_with(" alice")) << known->body;
}

TEST(HttpServerTls, RequiredMeansRequired) {
  CertificateDir certs;
  Served s(tls_options(certs, VerifyClient::required));
  HttpCall call{.url = "https://localhost:" + std::to_string(s.port) + "/x",
                .tls = {.cafile = certs.path("ca.crt")},
                .timeout = seconds(5)};
  EXPECT_FALSE(s.call(call).has_value());
  call.tls.certfile = certs.path("stranger.crt");
  call.tls.keyfile = certs.path("stranger.key");
  EXPECT_FALSE(s.call(call).has_value());
  call.tls.certfile = certs.path("client.crt");
  call.tls.keyfile = certs.path("client.key");
  auto known = s.call(call);
  ASSERT_TRUE(known.has_value()) << known.error().text();
}

TEST(HttpServerTls, ReloadSwapsTheCertificateAndKeepsTheOldOnError) {
  CertificateDir certs;
  auto options = tls_options(certs, VerifyClient::none);
  Served s(options);
  HttpCall call{.url = "https://127.0.0.1:" + std::to_string(s.port) + "/x",
                .tls = {.cafile = certs.path("ca.crt")},
                .timeout = seconds(5)};
  EXPECT_TRUE(s.call(call).has_value());
  auto broken = *options.tls;
  broken.certfile = certs.path("missing.crt");
  auto refused = s.loop.call([&] { return s.server->reload_tls(broken); });
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(s.call(call).has_value());
  auto other = *options.tls;
  other.certfile = certs.path("stranger.crt");
  other.keyfile = certs.path("stranger.key");
  auto swapped = s.loop.call([&] { return s.server->reload_tls(other); });
  ASSERT_TRUE(swapped.has_value()) << swapped.error().text();
  auto untrusted = s.call(call);
  ASSERT_FALSE(untrusted.has_value());
  EXPECT_EQ(untrusted.error().code, Code::permission) << untrusted.error().text();
  call.tls.cafile = certs.path("stranger.crt");
  EXPECT_TRUE(s.call(call).has_value());
}

TEST(HttpServerTls, ASilentHandshakeEnds) {
  CertificateDir certs;
  auto options = tls_options(certs, VerifyClient::none);
  options.handshake_timeout = milliseconds(50);
  Served s(options);
  RawClient client(s.port);
  EXPECT_EQ(client.read_all(), "");
}

TEST(Tls, ErrorsNameSettingAndFile) {
  CertificateDir certs;
  std::string text = certs.path("text");
  std::ofstream(text) << "not a certificate\n";
  std::string empty = certs.path("empty");
  std::ofstream(empty).close();
  ServerTls good{.certfile = certs.path("server.crt"), .keyfile = certs.path("server.key")};
  struct Case {
    ServerTls tls;
    std::string message;
  };
  auto with = [&](auto change) {
    ServerTls t = good;
    change(t);
    return t;
  };
  const std::vector<Case> cases = {
      {with([&](auto& t) { t.certfile = "/nowhere.crt"; }),
       "certfile: cannot read /nowhere.crt: No such file or directory"},
      {with([&](auto& t) { t.certfile = text; }),
       "certfile: " + text + " holds no usable certificate: no start line"},
      {with([&](auto& t) { t.certfile = empty; }), "certfile: " + empty + " is empty"},
      {with([&](auto& t) { t.keyfile = text; }),
       "keyfile: " + text + " holds no usable private key: "},
      {with([&](auto& t) { t.keyfile = certs.path("client.key"); }),
       "keyfile: " + certs.path("client.key") + " does not belong to the certificate " +
           good.certfile},
      {with([&](auto& t) { t.keyfile = certs.path("encrypted.key"); }),
       "keyfile: " + certs.path("encrypted.key") + " holds no usable private key: "},
      {with([&](auto& t) { t.cafile = text; }),
       "cafile: " + text + " holds no usable certificate: "},
      {with([&](auto& t) { t.ciphers = "NONSENSE"; }), "ciphers: no known cipher in 'NONSENSE'"},
      {with([&](auto& t) { t.verify_client = VerifyClient::required; }),
       "cafile: missing, but verify_client asks for client certificates"},
  };
  for (const auto& c : cases) {
    auto made = make_server_tls(c.tls);
    ASSERT_FALSE(made.has_value()) << c.message;
    EXPECT_TRUE(made.error().message.starts_with(c.message)) << made.error().message;
  }
  EXPECT_TRUE(make_server_tls(good).has_value());
  auto unlocked = with([&](auto& t) {
    t.keyfile = certs.path("encrypted.key");
    t.keyfile_password = "sesame";
  });
  EXPECT_TRUE(make_server_tls(unlocked).has_value());
}

}  // namespace
}  // namespace aurum::net
