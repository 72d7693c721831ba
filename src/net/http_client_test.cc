#include "net/http_client.h"

#include <gtest/gtest.h>

#include "net/http_server.h"
#include "net/testing/loop.h"
#include "net/testing/silent_log.h"

namespace aurum::net {
namespace {

using testing::LoopThread;
using testing::SilentListener;

TEST(Url, PartsAreFound) {
  const std::vector<std::pair<std::string, Url>> cases = {
      {"http://127.0.0.1:8008/patroni", {false, "127.0.0.1", 8008, "/patroni"}},
      {"https://[::1]:8009/a?b=c#d", {true, "::1", 8009, "/a?b=c"}},
      {"https://node-1", {true, "node-1", 443, "/"}},
      {"http://u:p@node-1?x", {false, "node-1", 80, "/?x"}},
  };
  for (const auto& [text, url] : cases) EXPECT_EQ(parse_url(text).value(), url) << text;
  for (const char* bad :
       {"", "ftp://x", "http://", "http://x:0/", "http://x:99999/", "http://[::1/"}) {
    auto parsed = parse_url(bad);
    ASSERT_FALSE(parsed.has_value()) << bad;
    EXPECT_EQ(parsed.error().code, Code::invalid);
  }
}

Task<HttpResponse> show(HttpRequest request) {
  HttpResponse out{.status = 202, .content_type = "text/html"};
  out.headers = {{"lsn", "42"}};
  out.body = request.method + " " + request.target + " " +
             std::string(request.header("authorization")) + " " +
             std::string(request.header("x-mine")) + " " + request.body;
  co_return out;
}

TEST(HttpClient, SendsAndReads) {
  testing::SilentLog log;
  LoopThread loop;
  HttpServer server(loop.io().get_executor(), {.listen = "127.0.0.1:0"}, show, log);
  auto started = loop.run(server.start());
  ASSERT_TRUE(started.has_value());
  HttpCall call{.method = "POST",
                .url = "http://localhost:" + std::to_string(server.port()) + "/a?b",
                .headers = {{"X-Mine", "yes"}},
                .body = "{}",
                .username = "admin",
                .password = "secret",
                .timeout = seconds(5)};
  auto got = loop.run(http_call(call));
  ASSERT_TRUE(got.has_value()) << got.error().text();
  EXPECT_EQ(got->status, 202);
  EXPECT_EQ(got->body, "POST /a?b Basic YWRtaW46c2VjcmV0 yes {}");
  EXPECT_EQ(got->header("LSN"), "42");
  call.headers = {{"X-Mine", "a\r\nX-Evil: 1"}};
  auto refused = loop.run(http_call(call));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::invalid);
  runtime::asio::co_spawn(loop.io(), server.stop(), runtime::asio::use_future).get();
}

TEST(HttpClient, RefusedIsUnavailable) {
  LoopThread loop;
  SilentListener listener;
  listener.close();
  std::string where = "127.0.0.1:" + std::to_string(listener.port());
  auto got = loop.run(http_call({.url = "http://" + where + "/"}));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Code::unavailable);
  EXPECT_EQ(got.error().message, "cannot connect to " + where + ": Connection refused");
}

TEST(HttpClient, SilenceEndsAtTheDeadline) {
  LoopThread loop;
  SilentListener listener;
  std::string url = "http://127.0.0.1:" + std::to_string(listener.port()) + "/";
  auto get = loop.run(http_call({.url = url, .timeout = milliseconds(50)}));
  ASSERT_FALSE(get.has_value());
  EXPECT_EQ(get.error().code, Code::timeout);
  EXPECT_EQ(get.error().message, "GET " + url + ": no answer within 50 ms");
  auto post = loop.run(http_call({.method = "POST", .url = url, .timeout = milliseconds(50)}));
  ASSERT_FALSE(post.has_value());
  EXPECT_EQ(post.error().code, Code::unknown_outcome);
  auto tls = loop.run(http_call({.url = "https" + url.substr(4), .timeout = milliseconds(50)}));
  ASSERT_FALSE(tls.has_value());
  EXPECT_EQ(tls.error().code, Code::unavailable);
}

TEST(HttpClient, AnUnknownNameIsUnavailable) {
  LoopThread loop;
  auto got = loop.run(http_call({.url = "http://no-such-host.invalid/"}));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Code::unavailable);
  EXPECT_TRUE(got.error().message.starts_with("cannot resolve no-such-host.invalid: "))
      << got.error().message;
}

}  // namespace
}  // namespace aurum::net
