// How ctl shows a member who it is.
#include "cli/world.h"

#include <gtest/gtest.h>

#include "net/http_server.h"
#include "net/testing/loop.h"
#include "net/testing/silent_log.h"
#include "runtime/log.h"

namespace aurum::cli {
namespace {

/// A member that answers with the Authorization header it got.
struct Members : ::testing::Test {
  net::testing::SilentLog log;
  net::testing::LoopThread loop;
  net::HttpServer server{loop.io().get_executor(),
                         {.listen = "127.0.0.1:0"},
                         [](net::HttpRequest request) -> net::Task<net::HttpResponse> {
                           net::HttpResponse reply;
                           reply.content_type = "text/plain";
                           reply.body = request.header("Authorization");
                           co_return reply;
                         },
                         log};

  void SetUp() override {
    const auto started = loop.run(server.start());
    ASSERT_TRUE(started) << started.error().text();
  }
  void TearDown() override {
    runtime::asio::co_spawn(loop.io(), server.stop(), runtime::asio::use_future).get();
  }
  std::string shown(const model::LocalConfig& config) {
    model::Member member;
    member.api_url = "http://127.0.0.1:" + std::to_string(server.port()) + "/patroni";
    const auto reply =
        make_world(config, runtime::null_logger())->call(member, "POST", "/reload", {}, seconds(5));
    return reply ? reply->body : reply.error().text();
  }
};

TEST_F(Members, see_the_token_before_any_password) {
  model::LocalConfig config;
  EXPECT_EQ(shown(config), "");
  config.rest.username = "aurum";
  config.rest.password = "of the node";
  EXPECT_EQ(shown(config), net::basic_credentials("aurum", "of the node"));
  config.ctl.username = "me";
  config.ctl.password = "of mine";
  EXPECT_EQ(shown(config), net::basic_credentials("me", "of mine"));
  config.ctl.token = "0123456789abcdef";
  EXPECT_EQ(shown(config), "Bearer 0123456789abcdef");
}

}  // namespace
}  // namespace aurum::cli
