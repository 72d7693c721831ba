// Scenario: patroni.yml lists who has which role (`aurum.access`). Verified: each route lets in
// whom it should and nobody else, naming the role that is needed; settings that run commands are an
// admin's; and what the log keeps of each write.
#include "api/access_role.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api.h"
#include "api/audit.h"
#include "api/testing/fake_node.h"
#include "runtime/run_alone.h"

namespace aurum::api {
namespace {

using model::AccessRole;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kOperatorToken = "operators-token-1";

/// Who calls, as the connection and the header show it.
struct Someone {
  const char* name;
  std::string certificate;
  std::string header;
};

struct Roles : ::testing::Test {
  testing::FakeNode node;
  Api api{node,
          {.identity = {.aurum_version = "0.1.0", .patroni_version = "4.1.4"},
           .poll_interval = milliseconds(1),
           .handover_floor = milliseconds(10)}};

  void SetUp() override {
    auto& rest = node.config.rest;
    rest.tls.certfile = "x";
    rest.verify_client = "optional";
    rest.username = "aurum";
    rest.password = "secret";
    node.config.aurum.access = {
        {.role = AccessRole::viewer, .name = "prometheus", .certificate = "prometheus"},
        {.role = AccessRole::operator_,
         .name = "pipeline",
         .token = kOperatorToken,
         .other_token = "operators-token-2"},
        {.role = AccessRole::admin, .name = "ops", .certificate = "ops"}};
  }
  net::HttpResponse send(const Someone& who, std::string_view method, std::string_view target,
                         std::string body = "{}") {
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    request.peer_address = "10.0.0.9";
    request.has_length = true;
    request.body = std::move(body);
    request.has_client_certificate = !who.certificate.empty();
    request.client_common_name = who.certificate;
    if (!who.header.empty()) request.headers.emplace_back("Authorization", who.header);
    return runtime::run_alone(api.handle(std::move(request)));
  }
};

const Someone kNobody{"nobody", "", ""};
const Someone kMember{"member", "node-1", ""};  // a certificate of the authority without a role
const Someone kViewer{"viewer", "prometheus", ""};
const Someone kOperator{"operator", "", std::string("Bearer ") + kOperatorToken};
const Someone kAdmin{"admin", "ops", ""};
const Someone kPassword{"password", "node-1", net::basic_credentials("aurum", "secret")};

/// Whether the caller got past the checks, whatever became of his request behind them.
bool let_in(const net::HttpResponse& reply) {
  return reply.status != 401 && !reply.body.contains("this needs the role");
}

TEST_F(Roles, EachRouteLetsInWhomItShould) {
  std::string table;
  for (const auto& route : Api::routes()) {
    table += fmt::format("{} {}:", route.method, route.segment);
    for (const auto& who : {kNobody, kMember, kViewer, kOperator, kAdmin, kPassword}) {
      const auto reply = send(who, route.method, fmt::format("/{}", route.segment));
      if (route.segment == "failsafe" && route.method == "POST") {
        if (reply.status != 401 && reply.status != 403) table += fmt::format(" {}", who.name);
      } else if (let_in(reply)) {
        table += fmt::format(" {}", who.name);
      }
    }
    table += "\n";
  }
  EXPECT_EQ(table, R"(GET patroni: nobody member viewer operator admin password
GET cluster: viewer operator admin password
GET history: viewer operator admin password
GET config: viewer operator admin password
GET failsafe: viewer operator admin password
GET metrics: nobody member viewer operator admin password
GET backups: viewer operator admin password
GET liveness: nobody member viewer operator admin password
GET readiness: nobody member viewer operator admin password
PATCH config: operator admin password
PUT config: operator admin password
POST reload: operator admin password
POST restart: operator admin password
DELETE restart: operator admin password
POST reinitialize: operator admin password
POST switchover: operator admin password
DELETE switchover: operator admin password
POST failover: operator admin password
POST secrets: admin password
POST failsafe: password
POST sigterm: admin password
POST citus: admin password
POST mpp: nobody member viewer operator admin password
)");
}

TEST_F(Roles, HealthChecksAreOpenToEverybody) {
  for (const char* path : {"/", "/primary", "/replica", "/read-only", "/health", "/nosuch"})
    EXPECT_THAT(send(kNobody, "GET", path).body, HasSubstr("\"role\": \"primary\"")) << path;
  EXPECT_EQ(send(kNobody, "HEAD", "/primary").status, 200);
}

TEST_F(Roles, WithoutTheSectionAllIsAsInPatroni) {
  node.config.aurum.access.clear();
  EXPECT_EQ(send(kNobody, "GET", "/config").status, 200);
  EXPECT_EQ(send(kNobody, "POST", "/reload").body, "client certificate required");
  EXPECT_EQ(send(kMember, "POST", "/reload").body, "no auth header received");
  EXPECT_EQ(send(kOperator, "POST", "/reload").body, "client certificate required");
  EXPECT_EQ(send(kPassword, "POST", "/reload").status, 202);
  node.config.rest.username = node.config.rest.password = "";
  EXPECT_EQ(
      send(kMember, "PATCH", "/config", R"({"postgresql":{"parameters":{"archive_command":"x"}}})")
          .status,
      200);
}

// Members ask as they always did: of a certificate of the authority, and the password if there is
// one, no role is asked (tests/failsafe_test.cc lives by it).
TEST_F(Roles, MembersNeedNoRoleForWhatTheyAskOfEachOther) {
  node.config.rest.username = node.config.rest.password = "";
  node.dynamic.failsafe_mode = true;
  node.reply = {200, "Accepted"};
  EXPECT_EQ(send(kMember, "POST", "/failsafe", R"({"name": "a"})").body, "Accepted");
  EXPECT_EQ(send(kNobody, "POST", "/failsafe", R"({"name": "a"})").status, 403);
  EXPECT_THAT(node.audited, IsEmpty());
}

TEST_F(Roles, RefusalsNameTheRoleAndTheCaller) {
  struct Case {
    Someone who;
    int status;
    const char* body;
  };
  const Case cases[] = {
      {kNobody, 401, "no auth header received: this needs the role operator"},
      {kMember, 403, "certificate node-1 has no role: this needs the role operator"},
      {kViewer, 403, "certificate prometheus has viewer: this needs the role operator"},
      {{"", "", "Bearer no-such-token-here"},
       401,
       "not authenticated: this needs the role operator"},
      {{"", "", "Basic eDp5"}, 401, "not authenticated: this needs the role operator"},
      // The password alone is not enough where a certificate is asked for with it.
      {{"", "", kPassword.header},
       403,
       "client certificate required: this needs the role operator"},
      // Who shows something wrong is refused, whatever else he has.
      {{"", "ops", "Bearer no-such-token-here"},
       401,
       "not authenticated: this needs the role operator"},
  };
  for (const auto& c : cases) {
    const auto reply = send(c.who, "POST", "/reload");
    EXPECT_EQ(reply.status, c.status) << c.body;
    EXPECT_EQ(reply.body, c.body);
    EXPECT_EQ(reply.header("WWW-Authenticate"), c.status == 401 ? "Basic realm=\"Patroni\"" : "");
  }
  EXPECT_EQ(node.reloads, 0);
  node.config.rest.username = node.config.rest.password = "";
  EXPECT_EQ(send(kNobody, "POST", "/reload").header("WWW-Authenticate"),
            "Bearer realm=\"Patroni\"");
}

TEST_F(Roles, TheHighestOfWhatIsShownCounts) {
  EXPECT_EQ(send({"", "prometheus", kOperator.header}, "POST", "/reload").status, 202);
  EXPECT_EQ(send({"", "ops", kOperator.header}, "POST", "/sigterm").status, 202);
  // Both tokens are good while one is changed; the scheme is read in any case.
  EXPECT_EQ(send({"", "", "Bearer operators-token-2"}, "POST", "/reload").status, 202);
  EXPECT_EQ(send({"", "", "bEARER   operators-token-1"}, "POST", "/reload").status, 202);
}

TEST_F(Roles, OddHeadersProveNothing) {
  for (const std::string& header : std::vector<std::string>{
           "Bearer", "Bearer ", "Bearer  ", "Bearer\t" + std::string(kOperatorToken),
           "Bearer " + std::string(kOperatorToken) + " ",
           "Bearer " + std::string(kOperatorToken, 16), std::string(kOperatorToken),
           "Token " + std::string(kOperatorToken), "Basic ", "Basic ####",
           "Bearer " + std::string(10'000, 'a'), std::string("Bearer \0x", 9), "Bearer \xff\xfe"})
    EXPECT_EQ(send({"", "", header}, "POST", "/reload").status, 401) << header.substr(0, 40);
  EXPECT_EQ(node.reloads, 0);
  // A certificate without a name is nobody's, also if a token's entry has none either.
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/reload";
  request.has_client_certificate = true;
  EXPECT_EQ(runtime::run_alone(api.handle(std::move(request))).status, 403);
}

TEST_F(Roles, TheAllowlistComesFirst) {
  node.config.rest.allowlist = {"10.1.1.1"};
  EXPECT_EQ(send(kAdmin, "POST", "/reload").body, "Access is denied");
  EXPECT_EQ(send(kViewer, "GET", "/config").status, 200);  // of what is safe it says nothing
}

// --- settings that run commands

constexpr const char* kArchive = R"({"postgresql":{"parameters":{"archive_command":"x"}}})";

TEST_F(Roles, AnOperatorSetsWhatRunsNothing) {
  EXPECT_EQ(send(kOperator, "PATCH", "/config", R"({"pause":true})").status, 200);
  const auto refused = send(kOperator, "PATCH", "/config",
                            R"({"ttl":20,"postgresql":{"parameters":{"archive_command":"x",)"
                            R"("work_mem":"8MB"},"pg_hba":["local all all trust"]}})");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body,
            "token pipeline has operator: this needs the role admin, since it can run commands: "
            "postgresql.parameters.archive_command, postgresql.pg_hba");
  EXPECT_EQ(node.written.size(), 1U);
  EXPECT_EQ(send(kAdmin, "PATCH", "/config", kArchive).status, 200);
  EXPECT_EQ(send(kPassword, "PATCH", "/config", kArchive).status, 200);
}

TEST_F(Roles, AnOperatorTakesNothingAwayThatRunsCommands) {
  node.cluster.config = model::parse_json(kArchive).value();
  EXPECT_EQ(send(kOperator, "PATCH", "/config", R"({"postgresql":null})").status, 403);
  EXPECT_EQ(send(kOperator, "PUT", "/config", R"({"ttl":20})").status, 403);
  EXPECT_THAT(node.written, IsEmpty());
  // The same command again is no change.
  EXPECT_EQ(send(kOperator, "PUT", "/config",
                 R"({"ttl":20,"postgresql":{"parameters":{"archive_command":"x"}}})")
                .status,
            200);
  ASSERT_EQ(node.written.size(), 1U);
  EXPECT_THAT(node.written[0].when,
              ElementsAre(model::Compare{"config", model::Compare::What::mod_revision, 5}));
}

// What was looked at is what is replaced: an admin's change in between is not undone.
TEST_F(Roles, AnOperatorsPutIsLostWhereAnothersCameFirst) {
  node.compare_holds = false;
  EXPECT_EQ(send(kOperator, "PUT", "/config", R"({"ttl":20})").status, 409);
  node.read_error = Error{Code::unavailable, "etcd is away", {}};
  EXPECT_EQ(send(kOperator, "PUT", "/config", R"({"ttl":20})").status, 503);
}

// --- what the log keeps

TEST_F(Roles, EachWriteHasALineAndNoReadHas) {
  send(kViewer, "GET", "/config");
  send(kNobody, "GET", "/");
  EXPECT_THAT(node.audited, IsEmpty());
  send(kAdmin, "PATCH", "/config?key=hidden",
       R"({"ttl":20,"postgresql":{"parameters":{"archive_command":"hidden"}}})");
  send(kOperator, "PATCH", "/config", kArchive);
  send(kPassword, "POST", "/reload");
  send(kViewer, "POST", "/restart");
  send(kNobody, "DELETE", "/switchover");
  EXPECT_THAT(
      node.audited,
      ElementsAre("audit: PATCH /config by certificate ops from 10.0.0.9: 200, changed ttl, "
                  "postgresql.parameters.archive_command",
                  "audit: PATCH /config by token pipeline from 10.0.0.9: 403, not changed: "
                  "postgresql.parameters.archive_command",
                  "audit: POST /reload by user aurum from 10.0.0.9: 202",
                  "audit: POST /restart by certificate prometheus from 10.0.0.9: 403",
                  "audit: DELETE /switchover by nobody known from 10.0.0.9: 401"));
}

TEST_F(Roles, WithoutTheSectionWritesHaveALineToo) {
  node.config.aurum.access.clear();
  send(kNobody, "POST", "/reload");
  send(kPassword, "PUT", "/config", R"({"ttl":20})");
  EXPECT_THAT(node.audited,
              ElementsAre("audit: POST /reload by nobody known from 10.0.0.9: 403",
                          "audit: PUT /config by user aurum from 10.0.0.9: 200, changed ttl, "
                          "loop_wait"));
}

TEST(AuditLine, IsOneLineOfBoundedLength) {
  Call call;
  call.method = "POST";
  call.target = "/restart/" + std::string(5000, 'x') + "?secret=1";
  call.caller.who = "certificate a\nb";
  call.peer_address = "::1";
  for (int i = 0; i < 50; ++i) call.changes.push_back("key\r" + std::to_string(i));
  const auto line = audit_line(call, 200);
  EXPECT_LT(line.size(), 1000U);
  EXPECT_THAT(line,
              AllOf(HasSubstr("certificate a?b"), HasSubstr("key?0"), HasSubstr("and 30 more"),
                    Not(HasSubstr("secret")), Not(HasSubstr("\n"))));
}

}  // namespace
}  // namespace aurum::api
