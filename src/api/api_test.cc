#include "api/api.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/access.h"
#include "api/testing/fake_node.h"

namespace aurum::api {
namespace {

using testing::FakeNode;
using ::testing::HasSubstr;
using testing::PgState;
namespace asio = runtime::asio;

struct Called {
  int status = 0;
  std::string body;
  std::string type;
  friend bool operator==(const Called&, const Called&) = default;
};
void PrintTo(const Called& c, std::ostream* out) {
  *out << c.status << " [" << c.type << "] " << c.body;
}
Called text(int status, std::string body) { return {status, std::move(body), "text/html"}; }

struct Rest : ::testing::Test {
  FakeNode node;
  Api api{node,
          {.identity = {.aurum_version = "0.1.0", .patroni_version = "4.1.4"},
           .poll_interval = milliseconds(1),
           .handover_floor = milliseconds(10)}};

  template <class T>
  static T run(Task<T> task) {
    asio::io_context io(1);
    auto future = asio::co_spawn(io, std::move(task), asio::use_future);
    io.run();
    return future.get();
  }
  net::HttpResponse send(net::HttpRequest request) { return run(api.handle(std::move(request))); }
  static net::HttpRequest make(std::string_view line,
                               std::optional<std::string> body = std::nullopt) {
    net::HttpRequest r;
    r.method = line.substr(0, line.find(' '));
    r.target = line.substr(line.find(' ') + 1);
    r.peer_address = "127.0.0.1";
    r.has_length = body.has_value();
    r.body = body.value_or("");
    return r;
  }
  Called call(std::string_view line, std::optional<std::string> body = std::nullopt) {
    auto r = send(make(line, std::move(body)));
    if (r.framework_error) return {r.status, r.reason, "page"};
    if (r.status_only) return {r.status, "", "status only"};
    return {r.status, r.body, r.content_type};
  }
};
Called page(int status, std::string reason) { return {status, std::move(reason), "page"}; }

TEST_F(Rest, HealthChecks) {
  auto got = call("GET /");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.type, "application/json");
  EXPECT_THAT(got.body, HasSubstr("\"role\": \"primary\""));
  EXPECT_EQ(call("GET /replica").status, 503);
  EXPECT_EQ(call("GET /patroni/x").status, 200);
  EXPECT_EQ(call("GET /nosuch").status, 503);
  EXPECT_THAT(call("GET /nosuch").body, HasSubstr("\"role\""));
  EXPECT_EQ(call("HEAD /"), (Called{200, "", "status only"}));
  EXPECT_EQ(call("OPTIONS /replica"), (Called{503, "", "status only"}));
  for (auto* path :
       {"HEAD /liveness", "HEAD /readiness", "HEAD /patroni", "OPTIONS /metrics", "HEAD /failsafe"})
    EXPECT_EQ(call(path), (Called{503, "", "status only"})) << path;
  EXPECT_EQ(call("GET /liveness"), (Called{200, "", "status only"}));
  EXPECT_EQ(call("GET /readiness?lag=0"), (Called{200, "", "status only"}));
  node.follow();
  EXPECT_EQ(call("GET /readiness?lag=1"), (Called{503, "", "status only"}));
  EXPECT_EQ(call("GET /replica?lag=1").status, 503);
}

TEST_F(Rest, InformationEndpoints) {
  EXPECT_EQ(call("GET /metrics").type, "text/plain");
  EXPECT_EQ(call("GET /history"), (Called{200, "[]", "application/json"}));
  node.cluster.history = {{.timeline = 1,
                           .lsn = {67406048},
                           .reason = "no recovery target specified",
                           .time = "2026-11-22T18:48:09.437546+00:00",
                           .new_leader = "node-1"}};
  EXPECT_EQ(
      call("GET /history").body,
      R"([[1, 67406048, "no recovery target specified", "2026-11-22T18:48:09.437546+00:00", "node-1"]])");
  EXPECT_EQ(call("GET /config"),
            (Called{200, R"({"ttl": 30, "loop_wait": 10})", "application/json"}));
  EXPECT_EQ(node.reads, 0);
  EXPECT_THAT(call("GET /cluster").body,
              HasSubstr(R"({"members": [{"name": "node-0", "role": "leader")"));
  EXPECT_EQ(node.reads, 1);
  EXPECT_THAT(call("GET /cluster").body, HasSubstr(R"("scope": "demo"})"));
  node.read_error = Error{Code::unavailable, "etcd is away", {}};
  EXPECT_EQ(call("GET /cluster"), page(503, "Service Unavailable"));
  node.cluster.config = {};
  EXPECT_EQ(call("GET /config"), page(502, "Bad Gateway"));
}

TEST_F(Rest, APeerInARaceIsToldOfALookThatBeginsNow) {
  EXPECT_EQ(send(make("GET /patroni")).status, 200);
  EXPECT_EQ(node.looks, 0);
  auto asked = make("GET /patroni");
  asked.headers.emplace_back("aurum-look", "now");
  EXPECT_EQ(send(asked).status, 200);
  EXPECT_EQ(node.looks, 1);
}

TEST_F(Rest, ALeaderTellsItsEpoch) {
  node.view_.is_leader = true;
  EXPECT_EQ(send(make("GET /patroni")).header("Aurum-Epoch"), "7");
  node.view_.is_leader = false;
  EXPECT_EQ(send(make("GET /patroni")).header("Aurum-Epoch"), "");
}

TEST_F(Rest, FailsafeIsShownOnlyWhenOn) {
  EXPECT_EQ(call("GET /failsafe"), page(502, "Bad Gateway"));
  node.cluster.failsafe = model::FailsafeMap{.members = {{"a", "http://x"}}, .mod_revision = 1};
  EXPECT_EQ(call("GET /failsafe"), page(502, "Bad Gateway"));
  EXPECT_EQ(call("POST /failsafe", "{}"), page(502, "Bad Gateway"));
  node.dynamic.failsafe_mode = true;
  EXPECT_EQ(call("GET /failsafe"), (Called{200, R"({"a": "http://x"})", "application/json"}));
  EXPECT_EQ(call("POST /failsafe", "{}"), page(400, "Bad Request"));
}

TEST_F(Rest, ALeaderWithoutTheStoreAsksForAPromise) {
  EXPECT_EQ(call("POST /failsafe", R"({"name": "a"})"), page(502, "Bad Gateway"));
  node.dynamic.failsafe_mode = true;
  EXPECT_EQ(call("POST /failsafe", "nonsense").status, 400);
  EXPECT_EQ(call("POST /failsafe", R"({"name": 1})").status, 400);
  EXPECT_TRUE(node.requests.empty());
  node.reply = {200, "Accepted"};
  // As a Patroni asks, and as aurum does.
  EXPECT_EQ(call("POST /failsafe",
                 R"({"name": "a", "api_url": "u", "slots": {"cdc": 67109056, "x": "y"}})")
                .body,
            "Accepted");
  EXPECT_EQ(
      call("POST /failsafe", R"({"name": "b", "aurum_epoch": 7, "aurum_promise_ms": 5000})").status,
      200);
  ASSERT_EQ(node.requests.size(), 2U);
  const auto& patroni = std::get<core::ConsentRequest>(node.requests[0].what);
  EXPECT_EQ(patroni.leader, "a");
  EXPECT_EQ(patroni.epoch, 0U);
  EXPECT_EQ(patroni.slots, (std::map<std::string, model::Lsn>{{"cdc", model::Lsn{67109056}}}));
  const auto& ours = std::get<core::ConsentRequest>(node.requests[1].what);
  EXPECT_EQ(ours.epoch, 7U);
  EXPECT_EQ(ours.promise, seconds(5));
}

// The address of a member may have become another's, as containers' do.
TEST_F(Rest, APromiseIsNotGivenForAnother) {
  node.dynamic.failsafe_mode = true;
  node.reply = {200, "Accepted"};
  const auto asked = call("POST /failsafe", R"({"name": "a", "aurum_asked": "node-9"})");
  EXPECT_EQ(asked.status, 409);
  EXPECT_EQ(asked.body, "this is node-0, not node-9");
  EXPECT_TRUE(node.requests.empty());
  EXPECT_EQ(call("POST /failsafe", R"({"name": "a", "aurum_asked": "node-0"})").status, 200);
}

TEST_F(Rest, UnknownUnsafePathsAre501WithoutAnyCheck) {
  node.config.rest.username = "admin";
  node.config.rest.password = "secret";
  EXPECT_EQ(call("POST /nosuch", "{}"), page(501, "Unsupported method ('POST')"));
  EXPECT_EQ(call("DELETE /config"), page(501, "Unsupported method ('DELETE')"));
  EXPECT_EQ(call("FOO /"), page(501, "Unsupported method ('FOO')"));
}

// --- access

TEST_F(Rest, BasicAuthentication) {
  node.config.rest.username = "admin";
  node.config.rest.password = "secret";
  auto r = send(make("PATCH /config"));  // comes before the body is looked at
  EXPECT_EQ(r.status, 401);
  EXPECT_EQ(r.body, "no auth header received");
  EXPECT_EQ(r.header("WWW-Authenticate"), "Basic realm=\"Patroni\"");
  for (auto* wrong : {"Basic eDp5", "Bearer x", "Basic %%%", "Basic YWRtaW46c2VjcmV0eA=="}) {
    auto request = make("POST /reload");
    request.headers = {{"authorization", wrong}};
    auto refused = send(request);
    EXPECT_EQ(refused.status, 401) << wrong;
    EXPECT_EQ(refused.body, "not authenticated");
  }
  EXPECT_EQ(node.reloads, 0);
  auto request = make("POST /reload");
  request.headers = {{"Authorization", net::basic_credentials("admin", "secret")}};
  EXPECT_EQ(send(request).status, 202);
  EXPECT_EQ(node.reloads, 1);
  EXPECT_EQ(call("GET /config").status, 200);  // what is safe is never authenticated
}

TEST_F(Rest, WhileItsPasswordIsChangedBothAreGood) {
  node.config.rest.username = "admin";
  node.config.rest.password = "secret";
  const auto with = [&](const std::string& password) {
    auto request = make("POST /reload");
    request.headers = {{"Authorization", net::basic_credentials("admin", password)}};
    return send(request).status;
  };
  EXPECT_EQ(with("other"), 401);
  EXPECT_EQ(with(""), 401);  // no other one is not an empty one
  node.config.rest.other_password = "other";
  EXPECT_EQ(with("other"), 202);
  EXPECT_EQ(with("secret"), 202);
  EXPECT_EQ(with("third"), 401);
}

TEST_F(Rest, PasswordsAreNotChangedWhereEverybodyMayWrite) {
  EXPECT_EQ(call("POST /secrets", "{}").status, 403);
  node.config.rest.username = "admin";
  node.config.rest.password = "secret";
  EXPECT_EQ(call("POST /secrets", "{}").status, 401);
  auto request = make("POST /secrets", R"({"step": "look"})");
  request.headers = {{"Authorization", net::basic_credentials("admin", "secret")}};
  EXPECT_EQ(send(request).status, 501);  // as far as the node, which does not know it here
}

TEST_F(Rest, ClientCertificatesComeAfterTheAllowlistAndBeforeThePassword) {
  node.config.rest.tls.certfile = "x";
  node.config.rest.verify_client = "optional";
  node.config.rest.username = "admin";
  EXPECT_EQ(call("POST /reload"), text(403, "client certificate required"));
  auto request = make("POST /reload");
  request.has_client_certificate = true;
  EXPECT_EQ(send(request).status, 401);
  node.config.rest.allowlist = {"10.0.0.1"};
  EXPECT_EQ(call("POST /reload"), text(403, "Access is denied"));
}

// It knows neither the cluster nor whether another agent of its name is at work.
TEST_F(Rest, OnlyPromisesAndTellsBeforeTheStoreWasRead) {
  node.view_.joined = false;
  int refused = 0;
  for (const auto& route : Api::routes()) {
    const auto got = call(fmt::format("{} /{}", route.method, route.segment), "{}");
    const bool changes = route.needs == Needs::operator_ || route.needs == Needs::admin;
    EXPECT_EQ(got == page(503, "waiting on etcd: it was not read since this agent began"), changes)
        << route.method << " " << route.segment;
    refused += changes ? 1 : 0;
  }
  EXPECT_GT(refused, 8);
  EXPECT_TRUE(node.written.empty());
  EXPECT_EQ(node.reloads, 0);
  EXPECT_EQ(call("GET /liveness").status, 200);
}

TEST_F(Rest, AllowlistEntries) {
  struct Case {
    std::vector<std::string> list;
    const char* peer;
    bool allowed;
  };
  const std::vector<Case> cases = {
      {{"10.0.0.0/8"}, "10.9.8.7", true},
      {{"10.0.0.0/8"}, "11.9.8.7", false},
      {{"10.1.2.3"}, "10.1.2.3", true},
      {{"10.1.2.3"}, "10.1.2.4", false},
      {{"10.1.2.3/32"}, "10.1.2.4", false},
      {{"10.1.2.3/32"}, "10.1.2.3", true},
      {{"fd00::/8"}, "fd00::1", true},
      {{"fd00::/8"}, "fe80::1", false},
      {{"10.1.2.3"}, "::ffff:10.1.2.3", true},
      {{"0.0.0.0/0"}, "10.1.2.4", true},
      {{"no.such.host.invalid", "10.1.2.3"}, "10.1.2.3", true},
      {{"localhost"}, "127.0.0.1", true},
      {{}, "10.1.2.3", false},
  };
  for (const auto& c : cases)
    EXPECT_EQ(run(is_allowed(c.list, c.peer)), c.allowed)
        << c.peer << " in " << ::testing::PrintToString(c.list);
}

TEST_F(Rest, MembersMayBeOnTheAllowlist) {
  node.config.rest.allowlist_include_members = true;
  EXPECT_EQ(call("POST /reload").status, 202);
  for (auto& [name, member] : node.cluster.members) member.api_url = "http://10.0.0.1:8008/patroni";
  EXPECT_EQ(call("POST /reload"), text(403, "Access is denied"));
  EXPECT_EQ(call("POST /failsafe", "{}").status,
            502);  // a member whose key expired must get through
}

TEST(Access, HeadersOfTheServer) {
  model::RestConfig rest;
  EXPECT_EQ(server_header(rest, "4.1.4", "0.1.0"), "Aurum/0.1.0");
  rest.server_tokens = "Minimal";
  EXPECT_EQ(server_header(rest, "4.1.4", "0.1.0"), "Patroni/4.1.4");
  rest.server_tokens = "productonly";
  EXPECT_EQ(server_header(rest, "4.1.4", "0.1.0"), "Patroni");
  rest.http_extra_headers = {{"A", "1"}, {"B", "2"}};
  rest.https_extra_headers = {{"B", "3"}, {"C", "4"}};
  EXPECT_EQ(extra_headers(rest), (net::Headers{{"A", "1"}, {"B", "2"}}));
  rest.tls.certfile = "x";
  EXPECT_EQ(extra_headers(rest), (net::Headers{{"A", "1"}, {"B", "3"}, {"C", "4"}}));
}

// --- configuration

TEST_F(Rest, BodiesOfConfigAreChecked) {
  for (auto* line :
       {"PATCH /config", "PUT /config", "POST /switchover", "POST /failover", "POST /citus"}) {
    EXPECT_EQ(call(line), page(411, "Length Required")) << line;
    for (auto* bad : {"", "{}", "[]", "5", "{x", "null"})
      EXPECT_EQ(call(line, bad), page(400, "Bad Request")) << line << " " << bad;
  }
  EXPECT_TRUE(node.written.empty());
}

TEST_F(Rest, DeeplyNestedBodiesAreRefused) {
  std::string deep = "{\"a\":" + std::string(500'000, '[') + std::string(500'000, ']') + "}";
  EXPECT_EQ(call("PATCH /config", deep), page(400, "Bad Request"));
  EXPECT_EQ(call("PUT /config", R"({"a":"[[[\"[[["})").status, 200);
}

TEST_F(Rest, PatchMergesAndCompares) {
  EXPECT_EQ(call("PATCH /config", R"({"ttl":"30"})").body, R"({"ttl": 30, "loop_wait": 10})");
  EXPECT_TRUE(node.written.empty());  // equal as text
  EXPECT_EQ(call("PATCH /config", R"({"ttl":33,"loop_wait":null,"new":{"a":1}})"),
            (Called{200, R"({"ttl": 33, "new": {"a": 1}})", "application/json"}));
  ASSERT_EQ(node.written.size(), 1U);
  EXPECT_EQ(node.written[0],
            (model::Txn{{{"config", model::Compare::What::mod_revision, 5}},
                        {{model::Write::What::put, "config", R"({"ttl":33,"new":{"a":1}})"}}}));
  node.compare_holds = false;
  EXPECT_EQ(call("PATCH /config", R"({"ttl":33})"), page(409, "Conflict"));
  node.write_error = Error{Code::unavailable, "", {}};
  EXPECT_EQ(call("PATCH /config", R"({"ttl":33})"), page(503, "Service Unavailable"));
  node.cluster.config = {};
  EXPECT_EQ(call("PATCH /config", R"({"ttl":33})"), page(503, "Service Unavailable"));
}

TEST_F(Rest, PutReplaces) {
  EXPECT_EQ(call("PUT /config", R"({"ttl":40})"),
            (Called{200, R"({"ttl": 40})", "application/json"}));
  EXPECT_EQ(node.written.back(),
            (model::Txn{{}, {{model::Write::What::put, "config", R"({"ttl":40})"}}}));
  node.write_error = Error{Code::unavailable, "", {}};
  EXPECT_EQ(call("PUT /config", R"({"ttl":40})"), page(502, "Bad Gateway"));
}

// --- restart, reinitialize, the small ones

TEST_F(Rest, RestartChecksInTheOrderOfTheKeys) {
  const std::string role = "PostgreSQL role should be either primary, standby_leader, or replica";
  const std::string when =
      "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601";
  const std::string limit = "Timeout should be a positive number of seconds";
  const std::vector<std::pair<std::string, Called>> cases = {
      {R"({"role":"foo"})", text(400, role)},
      {R"({"timeout":"abc","role":"x"})", text(400, limit)},
      {R"({"role":"x","timeout":"abc"})", text(400, role)},
      {R"({"timeout":"-3"})", text(400, limit)},
      {R"({"timeout":0})", text(400, limit)},
      {R"({"timeout":1e300})", text(400, limit)},
      {R"({"schedule":"2027-01-01T00:00"})",
       text(400, "Timezone information is mandatory for the scheduled restart")},
      {R"({"schedule":"2020-01-01T00:00+00:00"})",
       text(422, "Cannot schedule restart in the past")},
      {R"({"schedule":"junk"})", text(422, when)},
      {R"({"schedule":5})", text(422, when)},
      {R"({"postgres_version":"abc"})", text(400, "Invalid PostgreSQL version: abc")},
      {R"({"postgres_version":"9.6"})",
       text(400, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 9.6")},
      {R"({"postgres_version":"12.3.4"})",
       text(400, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 12.3.4")},
      {R"({"bogus":1})", text(400, "Unknown filter for the scheduled restart: bogus")},
  };
  for (const auto& [body, want] : cases) EXPECT_EQ(call("POST /restart", body), want) << body;
  EXPECT_EQ(call("POST /restart", "[1"), page(400, "Bad Request"));
  EXPECT_TRUE(node.requests.empty());
  node.view_.paused = true;
  EXPECT_EQ(call("POST /restart", R"({"role":"x","schedule":"junk"})"),
            text(500, "Can't schedule restart in the paused state"));
}

TEST_F(Rest, RestartIsHandedToTheCore) {
  EXPECT_EQ(call("POST /restart"), text(200, "restarted successfully"));
  EXPECT_EQ(call("POST /restart", ""), text(200, "restarted successfully"));
  node.reply = {202, "Restart scheduled"};
  EXPECT_EQ(
      call("POST /restart",
           R"({"schedule":"2037-01-01 02:00+02:00","role":"master","postgres_version":"9.6.3",)"
           R"("timeout":"1min","restart_pending":false})"),
      text(202, "Restart scheduled"));
  ASSERT_EQ(node.requests.size(), 3U);
  const auto& r = std::get<core::RestartRequest>(node.requests[2].what);
  EXPECT_EQ(r.role, "primary");
  EXPECT_EQ(r.postgres_version, "9.6.3");
  EXPECT_TRUE(r.only_pending);  // presence counts
  EXPECT_EQ(r.timeout, Duration(seconds(60)));
  EXPECT_EQ(r.at->us, 2114380800'000000);
  EXPECT_EQ(r.raw.find("schedule")->as_string(), "2037-01-01T00:00:00+00:00");
  node.reply = {404, "no restarts are scheduled"};
  EXPECT_EQ(call("DELETE /restart"), text(404, "no restarts are scheduled"));
  EXPECT_TRUE(std::holds_alternative<core::CancelRestart>(node.requests[3].what));
}

TEST_F(Rest, ReinitializeIsHandedToTheCore) {
  node.reply = {503, "I am the leader, can not reinitialize"};
  EXPECT_EQ(call("POST /reinitialize"), text(503, "I am the leader, can not reinitialize"));
  call("POST /reinitialize", R"({"force":"true","from_leader":true,"from-leader":false})");
  const auto& r = std::get<core::ReinitRequest>(node.requests[1].what);
  EXPECT_TRUE(r.force && r.from_leader);
  EXPECT_FALSE(std::get<core::ReinitRequest>(node.requests[0].what).force);
}

TEST_F(Rest, SmallOnes) {
  EXPECT_EQ(call("POST /reload", "{}"), text(202, "reload scheduled"));
  EXPECT_EQ(call("POST /sigterm"), text(202, "shutdown scheduled"));
  EXPECT_EQ(call("POST /citus", R"({"type":"x"})"), text(200, "OK"));
  EXPECT_EQ(call("POST /mpp", R"({"type":"x"})"), text(200, "OK"));
}

// --- switchover and failover

TEST_F(Rest, HandoverFormChecks) {
  struct Case {
    const char* line;
    const char* body;
    Called want;
    bool paused = false;
  };
  const std::string when =
      "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601";
  const std::vector<Case> cases = {
      {"POST /failover", R"({"leader":"node-0"})",
       text(400, "Failover could be performed only to a specific candidate")},
      {"POST /switchover", R"({"candidate":"node-1"})",
       text(400, "Switchover could be performed only from a specific leader")},
      {"POST /failover", R"({"candidate":"node-1","scheduled_at":"2037-01-01T00:00:00+00:00"})",
       text(400, "Failover can't be scheduled")},
      {"POST /switchover", R"({"leader":"node-0","scheduled_at":"2037-01-01T00:00:00+00:00"})",
       text(400, "Can't schedule switchover in the paused state"), true},
      {"POST /switchover", R"({"leader":"node-0","scheduled_at":"2020-01-01 00:00"})",
       text(400, "Timezone information is mandatory for the scheduled switchover")},
      {"POST /switchover", R"({"leader":"node-0","scheduled_at":"2020-01-01 00:00+00"})",
       text(422, "Cannot schedule switchover in the past")},
      {"POST /switchover", R"({"leader":"node-0","scheduled_at":"nope"})", text(422, when)},
      {"POST /switchover", R"({"leader":"node-0"})",
       text(400, "Switchover is possible only to a specific candidate in a paused state"), true},
      {"POST /switchover", R"({"leader":"node-0","member":"node-0"})",
       text(400, "Switchover target and source are the same")},
      {"POST /switchover", R"({"leader":"node-9","candidate":"node-1"})",
       text(412, "leader name does not match")},
      {"POST /failover", R"({"leader":"node-9","candidate":"node-1"})",
       text(412, "leader name does not match")},
      {"POST /switchover", R"({"leader":"node-0","candidate":"node-7"})",
       text(412, "candidate does not exists")},
      {"POST /failover", R"({"candidate":"node-7"})", text(412, "candidate does not exists")},
  };
  for (const auto& c : cases) {
    node.view_.paused = c.paused;
    EXPECT_EQ(call(c.line, c.body), c.want) << c.line << " " << c.body;
  }
  EXPECT_TRUE(node.written.empty());
}

TEST_F(Rest, HandoverChecksAgainstTheCluster) {
  const auto switchover = [&] { return call("POST /switchover", R"({"leader":"node-0"})"); };
  node.dynamic.synchronous_mode = model::SyncMode::on;
  node.dynamic.loop_wait_s = 0;
  EXPECT_EQ(switchover(), text(412, "switchover is not possible: can not find sync_standby"));
  EXPECT_EQ(call("POST /switchover", R"({"leader":"node-0","candidate":"node-1"})"),
            text(412, "candidate name does not match with sync_standby"));
  node.cluster.sync = {.leader = "node-0", .members = {"node-2"}, .mod_revision = 1};
  node.peers.clear();
  EXPECT_EQ(switchover(),
            text(412, "switchover is not possible: no good candidates have been found"));
  EXPECT_EQ(node.asked, std::vector<std::string>{"http://127.0.0.1:8012/patroni"});
  EXPECT_EQ(call("POST /failover", R"({"candidate":"node-1"})"),
            text(412, "failover is not possible: no good candidates have been found"));
  node.dynamic.synchronous_mode = model::SyncMode::off;
  model::PeerStatus bad;
  bad.watchdog_failed = true;
  node.peers["http://127.0.0.1:8011/patroni"] = bad;
  bad = {};
  bad.tags = model::parse_json(R"({"nofailover":true})").value();
  node.peers["http://127.0.0.1:8012/patroni"] = bad;
  EXPECT_EQ(switchover(),
            text(412, "switchover is not possible: no good candidates have been found"));
  node.cluster.members.erase("node-1");
  node.cluster.members.erase("node-2");
  EXPECT_EQ(switchover(),
            text(412, "switchover is not possible: cluster does not have members except leader"));
  EXPECT_TRUE(node.written.empty());
}

TEST_F(Rest, SwitchoverWaitsForTheSyncStandbyThatIsAboutToBe) {
  node.dynamic.synchronous_mode = model::SyncMode::on;
  node.on_read = [&](int reads) {
    if (reads == 3)
      node.cluster.sync = {.leader = "node-0", .members = {"node-2"}, .mod_revision = 1};
  };
  node.on_write = [&] { node.cluster.leader = model::Leader{.name = "node-2"}; };
  EXPECT_EQ(call("POST /switchover", R"({"leader":"node-0"})"),
            text(200, "Successfully switched over to \"node-2\""));
  // Nobody will be one: the answer comes at once.
  node.cluster.leader = model::Leader{.name = "node-0"};
  node.cluster.sync = {};
  node.cluster.members["node-1"].state = PgState::stopped;
  node.cluster.members["node-2"].tags = model::parse_json(R"({"nosync":true})").value();
  const int before = node.reads;
  EXPECT_EQ(call("POST /switchover", R"({"leader":"node-0"})"),
            text(412, "switchover is not possible: can not find sync_standby"));
  EXPECT_EQ(node.reads, before + 1);
}

TEST_F(Rest, SwitchoverIsWrittenAndWatched) {
  node.on_write = [&] {
    node.cluster.failover = model::FailoverRequest{.leader = "node-0", .mod_revision = 11};
  };
  node.on_read = [&](int reads) {
    if (reads == 3) node.cluster.leader.reset();
    if (reads == 4) node.cluster.failover = model::FailoverRequest{};  // no leader yet: still open
    if (reads == 5) node.cluster.leader = model::Leader{.name = "node-2"};
  };
  EXPECT_EQ(call("POST /switchover", R"({"leader":"node-0"})"),
            text(200, "Successfully switched over to \"node-2\""));
  EXPECT_EQ(node.reads, 5);
  EXPECT_EQ(node.wakes, 1);
  ASSERT_EQ(node.written.size(), 1U);
  EXPECT_EQ(node.written[0],
            (model::Txn{{}, {{model::Write::What::put, "failover", R"({"leader":"node-0"})"}}}));
}

TEST_F(Rest, FailoverOutcomes) {
  node.on_write = [&] { node.cluster.leader = model::Leader{.name = "node-1"}; };
  EXPECT_EQ(call("POST /failover", R"({"candidate":"node-1"})"),
            text(200, "Successfully failed over to \"node-1\""));
  EXPECT_EQ(node.written.back().then[0].value, R"({"member":"node-1"})");
  node.cluster.leader = model::Leader{.name = "node-0"};
  EXPECT_EQ(call("POST /switchover", R"({"leader":"node-0","candidate":"node-2"})"),
            text(200, "Switched over to \"node-1\" instead of \"node-2\""));
  node.cluster.leader = model::Leader{.name = "node-0"};
  EXPECT_EQ(call("POST /failover", R"({"leader":"node-0","candidate":"node-1"})"),
            text(200, "Successfully switched over to \"node-1\""));
  EXPECT_EQ(node.written.back().then[0].value, R"({"leader":"node-0","member":"node-1"})");
}

TEST_F(Rest, HandoverThatFails) {
  const char* body = R"({"leader":"node-0","candidate":"node-1"})";
  EXPECT_EQ(call("POST /switchover", body),
            text(503, "Switchover failed"));  // the key is gone, the leader the same
  EXPECT_EQ(call("POST /failover", R"({"candidate":"node-1"})"), text(503, "Failover failed"));
  node.write_error = Error{Code::unknown_outcome, "", {}};
  EXPECT_EQ(call("POST /switchover", body), text(503, "Switchover failed"));
  node.write_error = Error{Code::unavailable, "", {}};
  EXPECT_EQ(call("POST /switchover", body), text(503, "failed to write failover key into DCS"));
  node.write_error.reset();
  node.dynamic.loop_wait_s = 0;
  node.on_write = [&] {
    node.cluster.failover = model::FailoverRequest{.leader = "node-0", .candidate = "node-1"};
  };
  EXPECT_EQ(call("POST /switchover", body), text(503, "Switchover status unknown"));
  node.on_read = [&](int) { node.read_error = Error{Code::unavailable, "", {}}; };
  EXPECT_EQ(call("POST /switchover", body), text(503, "failed to write failover key into DCS"));
}

TEST_F(Rest, ScheduledSwitchovers) {
  node.peers.clear();  // a scheduled one is not checked against the members of now
  EXPECT_EQ(
      call(
          "POST /switchover",
          R"({"leader":"node-0","candidate":"node-1","scheduled_at":"2037-01-01T02:00:00+02:00"})"),
      text(202, "Switchover scheduled"));
  EXPECT_EQ(node.written.back().then[0].value,
            R"({"leader":"node-0","member":"node-1","scheduled_at":"2037-01-01T00:00:00+00:00"})");
  EXPECT_EQ(call("DELETE /switchover"), text(404, "no switchover is scheduled"));
  node.cluster.failover = model::FailoverRequest{.leader = "node-0", .mod_revision = 42};
  EXPECT_EQ(call("DELETE /switchover"), text(404, "no switchover is scheduled"));
  node.cluster.failover->scheduled_at = "2037-01-01T00:00:00+00:00";
  EXPECT_EQ(call("DELETE /switchover"), text(200, "scheduled switchover deleted"));
  EXPECT_EQ(node.written.back(), (model::Txn{{{"failover", model::Compare::What::mod_revision, 42}},
                                             {{model::Write::What::put, "failover", "{}"}}}));
  node.compare_holds = false;
  EXPECT_EQ(call("DELETE /switchover"), page(409, "Conflict"));
}

}  // namespace
}  // namespace aurum::api
