#include "net/http_client.h"

#include <atomic>
#include <future>
#include <memory>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>
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

/// A server, and a link to it whose resolver answers as the test says.
class Link : public ::testing::Test {
 protected:
  void start(HttpServerOptions options = {.listen = "127.0.0.1:0"}, Handler handler = show) {
    server_ = std::make_unique<HttpServer>(loop_.io().get_executor(), options, handler, log_);
    ASSERT_TRUE(loop_.run(server_->start()));
    port_ = server_->port();
  }
  void stop() {
    runtime::asio::co_spawn(loop_.io(), server_->stop(), runtime::asio::use_future).get();
  }
  void TearDown() override {
    loop_.call([this] { link_.reset(); });
    stop();
  }
  Result<HttpResponse> call(const std::string& target, Duration timeout = seconds(5)) {
    return loop_.run(link_->call({.method = "POST",
                                  .url = "http://peer:" + std::to_string(port_) + target,
                                  .timeout = timeout}));
  }
  runtime::Task<Result<std::vector<Endpoint>>> look_up(std::uint16_t port) {
    ++looked_up_;
    if (!knows_names_) co_return fail(Code::unavailable, "cannot resolve peer");
    co_return std::vector<Endpoint>{Endpoint(boost::asio::ip::make_address("127.0.0.1"), port)};
  }

  testing::SilentLog log_;
  LoopThread loop_;
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::atomic<int> looked_up_ = 0;
  std::atomic<bool> knows_names_ = true;
  std::unique_ptr<HttpLink> link_ = std::make_unique<HttpLink>(
      [this](std::string, std::uint16_t port, Duration) { return look_up(port); });
};

TEST_F(Link, is_kept_for_the_next_call) {
  start();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(call("/a").value().body, "POST /a   ");
  EXPECT_EQ(looked_up_, 1);
  EXPECT_EQ(server_->connections(), 1U);
}

TEST_F(Link, opens_anew_where_the_server_was_started_again) {
  start();
  ASSERT_TRUE(call("/"));
  stop();
  start({.listen = "127.0.0.1:" + std::to_string(port_)});
  EXPECT_TRUE(call("/"));
  EXPECT_EQ(looked_up_, 2);
}

TEST_F(Link, needs_no_name_once_it_knows_where) {
  start();
  ASSERT_TRUE(call("/"));
  knows_names_ = false;
  EXPECT_TRUE(call("/"));
  stop();  // the connection breaks, and the server comes back where it was
  start({.listen = "127.0.0.1:" + std::to_string(port_)});
  EXPECT_TRUE(call("/"));
  EXPECT_EQ(looked_up_, 2);
}

TEST_F(Link, one_that_does_not_answer_is_left_for_a_new_one) {
  std::atomic<int> asked = 0;
  start({.listen = "127.0.0.1:0"}, [&](HttpRequest request) -> Task<HttpResponse> {
    // The second request is swallowed, as by a peer that is cut off and comes back.
    if (++asked == 2) {
      boost::asio::steady_timer never(co_await boost::asio::this_coro::executor, seconds(60));
      (void)co_await never.async_wait(runtime::use_task);
    }
    co_return co_await show(std::move(request));
  });
  ASSERT_TRUE(call("/"));
  EXPECT_TRUE(call("/", seconds(2)));
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(looked_up_, 2);
}

TEST_F(Link, calls_at_once_do_not_wait_for_each_other) {
  std::atomic<int> here = 0;
  start({.listen = "127.0.0.1:0"}, [&](HttpRequest request) -> Task<HttpResponse> {
    ++here;
    boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor);
    for (int i = 0; i < 400 && here < 2; ++i) {
      pause.expires_after(milliseconds(5));
      (void)co_await pause.async_wait(runtime::use_task);
    }
    co_return co_await show(std::move(request));
  });
  std::vector<std::future<Result<HttpResponse>>> calls;
  for (int i = 0; i < 2; ++i)
    calls.push_back(runtime::asio::co_spawn(
        loop_.io(),
        link_->call({.url = "http://peer:" + std::to_string(port_) + "/", .timeout = seconds(5)}),
        runtime::asio::use_future));
  for (auto& one : calls) EXPECT_TRUE(one.get());
  EXPECT_EQ(here, 2);
}

}  // namespace
}  // namespace aurum::net
