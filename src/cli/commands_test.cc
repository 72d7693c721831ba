#include <deque>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/prompt.h"
#include "cli/session.h"
#include "model/decode.h"

namespace aurum::cli {
namespace {

/// A store with one cluster and members that answer from a script.
class FakeWorld final : public World {
 public:
  FakeWorld() {
    view = model::decode_cluster(
        5, {{"initialize", "711"},
            {"leader", "a"},
            {"config", R"({"ttl":30,"loop_wait":7})", 0, 1, 4},
            {"members/a", member("primary")},
            {"members/b", member("replica")},
            {"members/c", R"({"role":"replica","state":"running","tags":{"nofailover":true}})"}});
  }
  static std::string member(std::string_view role) {
    return fmt::format(
        R"({{"conn_url":"postgres://h:5432/postgres","api_url":"http://h:8008/patroni",)"
        R"("state":"running","role":"{}"}})",
        role);
  }

  Result<model::ClusterView> read(const ClusterId& cluster) override {
    if (cluster.scope != "demo") return model::ClusterView{};
    if (on_read) on_read();
    return view;
  }
  Result<model::TxnDone> txn(const ClusterId&, model::Txn txn) override {
    txns.push_back(std::move(txn));
    return model::TxnDone{txn_succeeds, 6};
  }
  Result<std::vector<std::string>> clusters() override { return std::vector<std::string>{"demo"}; }
  Result<Reply> call(const model::Member& member, std::string_view method, std::string_view path,
                     std::string body, Duration) override {
    calls.push_back(fmt::format("{} {} {} {}", member.name, method, path, body));
    if (replies.empty()) return fail(Code::unavailable, "connection refused");
    auto reply = replies.front();
    replies.pop_front();
    return reply;
  }
  QueryResult query(const Query& query) override {
    queries.push_back(query);
    if (answers.empty()) return {.error = "connection refused"};
    auto answer = answers.front();
    answers.pop_front();
    return answer;
  }
  WallTime wall_now() override { return {1'795'384'098'433'471}; }
  void sleep(Duration) override {
    if (on_sleep) on_sleep();
  }
  Result<std::string> edit(std::string_view, std::string_view) override { return edited; }

  model::ClusterView view;
  bool txn_succeeds = true;
  std::function<void()> on_read, on_sleep;
  std::deque<Reply> replies;
  std::string edited;
  std::deque<QueryResult> answers;
  std::vector<Query> queries;
  std::vector<std::string> calls;
  std::vector<model::Txn> txns;
};

class Commands : public testing::Test {
 protected:
  Done run(Done (*command)(Session&)) {
    std::istringstream in(input);
    std::ostringstream all;
    Console console{in, all, all};
    console.patronictl = patronictl;
    Session session{console, world, options, "demo", notice};
    Done done = command(session);
    out.clear();
    // The table has its own tests.
    std::istringstream lines(all.str());
    for (std::string line; std::getline(lines, line);)
      if (!line.starts_with("+-") && !line.starts_with("+ C") && !line.starts_with("| "))
        out += line + "\n";
    return done;
  }
  std::string error_of(Done (*command)(Session&)) {
    const Done done = run(command);
    return done ? "no error" : done.error().message;
  }

  FakeWorld world;
  Options options;
  std::string input;
  std::string out;
  std::string notice;
  bool patronictl = false;
};

TEST_F(Commands, list_says_what_is_to_be_known_but_not_under_the_name_of_another) {
  notice = "everybody knows its passwords";
  ASSERT_EQ(run(run_list), 0);
  EXPECT_EQ(out, "warning: everybody knows its passwords\n");
  patronictl = true;
  ASSERT_EQ(run(run_list), 0);
  EXPECT_EQ(out, "");
}

TEST_F(Commands, a_watch_says_it_too_on_a_screen_each_time_into_a_file_once) {
  options.watch = true;
  for (const bool terminal : {true, false}) {
    std::istringstream in;
    std::ostringstream shown;
    std::ostringstream said;
    Console console{in, shown, said};
    console.terminal = terminal;
    Session session{console, world, options, "demo", "everybody knows its passwords"};
    int looks = 0;
    world.on_sleep = [&] {
      if (++looks == 3) shown.setstate(std::ios::badbit);  // whoever looked has gone
    };
    ASSERT_EQ(run_list(session), 0);
    std::string wanted;
    for (int i = 0; i < (terminal ? 4 : 1); ++i)
      wanted += "warning: everybody knows its passwords\n";
    EXPECT_EQ(said.str(), wanted);
  }
}

using Calls = std::vector<std::string>;

TEST_F(Commands, SwitchoverAsksForEverythingAndTellsTheLeader) {
  input = "\nb\nnow\ny\n";
  world.replies = {{200, "Successfully switched over to \"b\""}};
  ASSERT_EQ(run(run_switchover), 0);
  EXPECT_TRUE(
      out.starts_with("Current cluster topology\nPrimary [a]: Candidate ['b'] []: "
                      "When should the switchover take place (e.g. 20"))
      << out;
  EXPECT_NE(
      out.find(" )  [now]: Are you sure you want to switchover cluster demo, demoting current "
               "leader a? [y/N]: 20"),
      std::string::npos)
      << out;
  EXPECT_TRUE(out.ends_with("Successfully switched over to \"b\"\n")) << out;
  EXPECT_EQ(world.calls, Calls{"a POST /switchover {\"leader\": \"a\", \"candidate\": \"b\", "
                               "\"scheduled_at\": null}"});
}

TEST_F(Commands, SwitchoverDoesNothingWithoutAnAnswer) {
  for (const auto* answers : {"", "\n", "\n\n", "\n\n\n"}) {
    input = answers;
    EXPECT_EQ(error_of(run_switchover), "Aborted!");
  }
  input = "\n\n\nn\n";
  EXPECT_EQ(error_of(run_switchover), "Aborting switchover");
  input = "\n\n2026-11-25T10:00+00\nn\n";
  EXPECT_EQ(error_of(run_switchover), "Aborting scheduled switchover");
  EXPECT_TRUE(world.calls.empty());
}

TEST_F(Commands, SwitchoverWritesTheKeyWhenNoAgentAnswers) {
  options.force = true;
  options.candidate = "b";
  ASSERT_EQ(run(run_switchover), 0);
  EXPECT_NE(out.find("Could not switchover using Patroni api, falling back to DCS\n"),
            std::string::npos);
  ASSERT_EQ(world.txns.size(), 1U);
  EXPECT_EQ(world.txns[0].then[0].key, "failover");
  EXPECT_EQ(world.txns[0].then[0].value, R"({"leader":"a","member":"b"})");
}

TEST_F(Commands, SwitchoverRefusesWhatCannotWork) {
  options.force = true;
  options.leader = "b";
  EXPECT_EQ(error_of(run_switchover), "Member b is not the leader of cluster demo");
  options.leader = {};
  options.candidate = "a";
  EXPECT_EQ(error_of(run_switchover), "Member a is already the leader of cluster demo");
  options.candidate = "c";
  EXPECT_EQ(error_of(run_switchover),
            "Member c does not exist in cluster demo or is tagged as nofailover");
  options.candidate = "b";
  options.scheduled = "2026-11-25T10:00Z";
  world.view.config.set("pause", true);
  EXPECT_EQ(error_of(run_switchover), "Can't schedule switchover in the paused state");
  world.view.leader.reset();
  EXPECT_EQ(error_of(run_switchover), "This cluster has no leader");
  EXPECT_TRUE(world.calls.empty());
}

TEST_F(Commands, ARefusedSwitchoverStillEndsWithZero) {
  options.force = true;
  world.replies = {{412, "leader name does not match"}};
  ASSERT_EQ(run(run_switchover), 0);
  EXPECT_TRUE(out.ends_with("Switchover failed, details: 412, leader name does not match\n"));
}

TEST_F(Commands, FailoverNeedsACandidateAndNamesNoLeader) {
  options.force = true;
  EXPECT_EQ(error_of(run_failover), "Failover could be performed only to a specific candidate");
  options.candidate = "b";
  world.replies = {{200, "ok"}};
  ASSERT_EQ(run(run_failover), 0);
  EXPECT_EQ(world.calls, Calls{"a POST /failover {\"candidate\": \"b\"}"});
  world.view.leader.reset();
  world.replies = {{200, "ok"}};
  ASSERT_EQ(run(run_failover), 0);
  EXPECT_EQ(world.calls.back(), "b POST /failover {\"candidate\": \"b\"}");
}

TEST_F(Commands, DemoteClusterWaitsUntilTheLeaderFollows) {
  options.force = true;
  EXPECT_EQ(error_of(run_demote_cluster),
            "At least --host, --port or --restore-command should be specified");
  options.host = "10.1.0.5";
  options.port = "54321x";
  EXPECT_EQ(error_of(run_demote_cluster), "--port 54321x is no port");
  options.port = "5433";
  options.primary_slot_name = "b";
  world.replies = {{200, "{}"}};
  int reads = 0;
  world.on_read = [&] {
    if (++reads == 3) world.view.members.at("a").role = model::Role::standby_leader;
  };
  ASSERT_EQ(run(run_demote_cluster), 0);
  EXPECT_EQ(world.calls,
            Calls{"a PATCH /config {\"standby_cluster\": {\"host\": \"10.1.0.5\", \"port\": 5433, "
                  "\"primary_slot_name\": \"b\"}}"});
  EXPECT_TRUE(out.find("cluster is being demoted: a is primary, running\n") != std::string::npos)
      << out;
  EXPECT_TRUE(out.ends_with(" cluster is successfully demoted\n")) << out;
}

TEST_F(Commands, PromoteClusterIsForAStandbyClusterWithALeader) {
  options.force = true;
  EXPECT_EQ(error_of(run_promote_cluster), "Cluster is already in the required state");
  model::Value remote = model::Value::object();
  remote.set("host", "h");
  world.view.config.set("standby_cluster", remote);
  options.host = "h";
  EXPECT_EQ(error_of(run_demote_cluster), "Cluster is already in the required state");
  world.view.config.set("pause", true);
  EXPECT_EQ(error_of(run_promote_cluster), "Can't promote a cluster in the paused state");
  world.view.config.set("pause", false);
  world.replies = {{200, "{}"}};
  ASSERT_EQ(run(run_promote_cluster), 0);
  EXPECT_EQ(world.calls, Calls{"a PATCH /config {\"standby_cluster\": null}"});
  EXPECT_TRUE(out.ends_with(" cluster is successfully promoted\n")) << out;
  world.view.leader.reset();
  EXPECT_EQ(error_of(run_promote_cluster), "Cluster has no leader, promotion is not possible");
}

TEST_F(Commands, RestartGoesOnPastAMemberThatDoesNotAnswer) {
  options.names = {"demo"};
  options.force = true;
  options.pending = true;
  options.pg_version = "15.10";
  options.timeout = "30s";
  for (auto& [name, member] : world.view.members) member.pending_restart = true;
  world.replies = {{200, ""}, {503, "restart failed"}};
  ASSERT_EQ(run(run_restart), 1);
  EXPECT_EQ(out,
            "Success: restart on member b\n"
            "Failed: restart for member c, status code=503, (restart failed)\n"
            "Failed: restart for member a, connection refused\n")
      << "the leader, a, comes last";
  EXPECT_EQ(world.calls[0],
            "b POST /restart {\"restart_pending\": true, \"postgres_version\": \"15.10\", "
            "\"timeout\": \"30s\"}");
}

TEST_F(Commands, RestartPendingAsksThoseAloneWhoseSettingsWait) {
  options.names = {"demo"};
  options.force = true;
  options.pending = true;
  // By the store one; by what it says itself, another.
  world.view.members["c"].pending_restart = true;
  world.replies = {{200, "{}"}, {200, R"({"pending_restart": true})"}, {200, ""}, {200, ""}};
  ASSERT_EQ(run(run_restart), 0);
  EXPECT_EQ(world.calls.size(), 4U);
  EXPECT_FALSE(out.find("Success: restart on member b\n") == out.npos) << out;
  EXPECT_FALSE(out.find("Success: restart on member c\n") == out.npos) << out;
  EXPECT_TRUE(out.find("member a") == out.npos) << out;

  world.calls.clear();
  world.view.members["c"].pending_restart = false;
  world.replies = {{200, "{}"}, {200, "{}"}, {200, "{}"}};
  ASSERT_EQ(run(run_restart), 0);
  for (const auto& call : world.calls) EXPECT_TRUE(call.find("POST") == call.npos) << call;
}

TEST_F(Commands, RestartChecksVersionsAndMembers) {
  options.names = {"demo", "b"};
  options.force = true;
  options.pg_version = "15";
  EXPECT_EQ(error_of(run_restart),
            "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 15");
  options.names = {"demo", "zzz"};
  EXPECT_EQ(error_of(run_restart), "No any among provided members");
  options.names = {"nosuch"};
  EXPECT_EQ(error_of(run_restart), "nosuch cluster doesn't have any members");
}

TEST_F(Commands, ReinitAsksBeforeItCancelsWhatIsInItsWay) {
  options.names = {"demo", "b"};
  input = "y\ny\n";
  world.replies = {{503, "restart already in progress"}, {200, "reinitialize started"}};
  ASSERT_EQ(run(run_reinit), 0);
  EXPECT_EQ(world.calls, (Calls{"b POST /reinitialize {\"force\": false}",
                                "b POST /reinitialize {\"force\": true}"}));
  EXPECT_TRUE(out.ends_with("Success: reinitialize for member b\n"));
}

TEST_F(Commands, ReinitNeverTouchesTheLeaderNorWhatWasNotNamed) {
  options.names = {"demo", "a"};
  options.force = true;
  EXPECT_EQ(error_of(run_reinit), "No replica among provided members");
  options.names = {"demo"};
  EXPECT_EQ(error_of(run_reinit), "reinit --force needs the name of a member");
  EXPECT_TRUE(world.calls.empty());
}

TEST_F(Commands, PauseAsksTheLeaderThenOthersAndWaitsForAll) {
  options.wait = true;
  int reads = 0;
  world.on_read = [&] {
    if (++reads == 3)
      for (auto& [name, member] : world.view.members) member.pause = true;
  };
  world.replies = {{200, "{}"}};
  ASSERT_EQ(run(run_pause), 0);
  EXPECT_EQ(reads, 3);
  EXPECT_EQ(world.calls, Calls{"a PATCH /config {\"pause\": true}"});
  EXPECT_EQ(out,
            "'pause' request sent, waiting until it is recognized by all nodes\n"
            "Success: cluster management is paused\n");
  EXPECT_EQ(error_of(run_resume), "Cluster is not paused");
}

TEST_F(Commands, EditConfigComparesTheRevisionThatWasShown) {
  options.set = {"ttl=40"};
  input = "y\n";
  ASSERT_EQ(run(run_edit_config), 0);
  EXPECT_EQ(out,
            "--- \n+++ \n@@ -1,2 +1,2 @@\n loop_wait: 7\n-ttl: 30\n+ttl: 40\n"
            "Apply these changes? [y/N]: Configuration changed\n");
  ASSERT_EQ(world.txns.size(), 1U);
  EXPECT_EQ(world.txns[0].when[0].number, 4);
  EXPECT_EQ(world.txns[0].then[0].value, R"({"ttl":40,"loop_wait":7})");
  world.txn_succeeds = false;
  options.force = true;
  EXPECT_EQ(error_of(run_edit_config), "Config modification aborted due to concurrent changes");
}

TEST_F(Commands, EditConfigWritesNothingWithoutConsent) {
  options.set = {"ttl=40"};
  input = "n\n";
  EXPECT_EQ(run(run_edit_config), 0);
  input = "";
  EXPECT_EQ(error_of(run_edit_config), "Aborted!");
  options.set = {"ttl=30"};
  EXPECT_EQ(run(run_edit_config), 0);
  EXPECT_EQ(out, "Not changed\n");
  options.set = {};
  options.replace = "-";
  input = "ttl: 50\n";
  EXPECT_EQ(run(run_edit_config), 0);
  EXPECT_TRUE(out.ends_with("Use --force option to apply changes\n"));
  options.replace = {};
  world.edited = "- not a map\n";
  EXPECT_FALSE(run(run_edit_config));
  EXPECT_TRUE(world.txns.empty());
}

TEST_F(Commands, AnUnknownClusterNamesTheKnownOnes) {
  options.names = {"dmeo"};
  const auto done = run(run_show_config);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "The config key does not exist in the cluster dmeo");
  EXPECT_EQ(done.error().hint, "There is no cluster dmeo in this namespace; found: demo.");
}

TEST(Confirm, AsksAgainUntilItUnderstands) {
  std::istringstream in("maybe\nYES\n");
  std::ostringstream out;
  Console console{in, out, out};
  EXPECT_EQ(confirm(console, "Sure?"), true);
  EXPECT_EQ(out.str(), "Sure? [y/N]: Error: invalid input\nSure? [y/N]: ");
}

TEST_F(Commands, QueryAsksTheLeaderUnlessToldOtherwise) {
  options.sql = "SELECT 1";
  options.user = "app";
  const QueryResult rows{.columns = {"a", "b"}, .rows = {{std::int64_t{1}, true}, {"x", {}}}};
  world.answers = {rows};
  ASSERT_EQ(run(run_query), 0);
  EXPECT_EQ(out, "a\tb\n1\tTrue\nx\tNone\n");
  ASSERT_EQ(world.queries.size(), 1U);
  EXPECT_EQ(world.queries[0].host, "h");
  EXPECT_EQ(world.queries[0].user, "app");
  EXPECT_EQ(world.queries[0].dbname, "postgres");
  EXPECT_EQ(world.queries[0].in_recovery, false);

  options.role = "replica";
  options.format = "json";
  world.answers = {rows};
  ASSERT_EQ(run(run_query), 0);
  EXPECT_EQ(world.queries.back().in_recovery, true);
  EXPECT_EQ(out, "[{\"a\": 1, \"b\": true}, {\"a\": \"x\", \"b\": null}]\n");
}

TEST_F(Commands, QueryPrintsWhatWentWrongAsARow) {
  options.sql = "SELEC 1";
  struct Case {
    const char *role, *member;
    QueryResult answer;
    const char* text;
  };
  for (const auto& c : {
           Case{"", "", {.error = "42601"}, "\tERROR, SQLSTATE: 42601\n"},
           Case{"", "", {.wrong_role = true}, "\tNo connection to role 'leader' is available\n"},
           Case{
               "standby-leader", "", {}, "\tNo connection to role 'standby-leader' is available\n"},
           Case{"", "nobody", {}, "\tNo connection to member 'nobody' is available\n"},
       }) {
    options.role = c.role;
    options.member = c.member;
    world.answers = {c.answer};
    ASSERT_EQ(run(run_query), 0);
    EXPECT_TRUE(out.ends_with(c.text)) << out;
  }
  options.role = options.member = "a";
  EXPECT_EQ(error_of(run_query), "--role and --member are mutually exclusive options");
  options = {};
  EXPECT_EQ(error_of(run_query), "You need to specify either --command or --file");
  options.sql = options.sql_file = "x";
  EXPECT_EQ(error_of(run_query), "--file and --command are mutually exclusive options");
}

TEST_F(Commands, ExplainTellsTheNewestFirstAndWhereTheTimeWent) {
  ASSERT_EQ(run(run_explain), 0);
  EXPECT_EQ(out, "Nobody has followed another leader yet, as far as is known.\n");
  std::vector<model::Succession> list;
  for (int i = 2; i < 9; ++i)
    list.push_back({.at = "2026-11-22T21:10:56+00:00",
                    .from = i == 8 ? "b" : "a",
                    .to = i == 8 ? "a" : "b",
                    .why = "no heartbeat of b for 1250 ms",
                    .timeline = static_cast<model::Timeline>(i),
                    .lsn = {0x3000060},
                    .others = {{"b", std::nullopt}, {"c", model::Lsn{0x3000060}}},
                    .detect = milliseconds(1020),
                    .acquire = milliseconds(240),
                    .promote = milliseconds(80),
                    .open = milliseconds(10)});
  world.view.successions = model::encode_successions(list);
  ASSERT_EQ(run(run_explain), 0);
  EXPECT_TRUE(out.starts_with("Timeline 8: a followed b, ")) << out;
  EXPECT_TRUE(
      out.contains("\n  why    no heartbeat of b for 1250 ms\n"
                   "  took   1.35 s = detect 1.02 s + lock 0.24 s + promote 0.08 s + "
                   "open 0.01 s\n"
                   "  from   0/3000060; b did not answer, c was at 0/3000060\n"))
      << out;
  EXPECT_TRUE(out.ends_with("\n2 earlier ones: -f json\n")) << out;
  options.format = "json";
  ASSERT_EQ(run(run_explain), 0);
  const auto rows = model::parse_json(out);
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->as_array().size(), 7U);
  EXPECT_EQ(model::int_at(rows->as_array().back(), "total_ms"), 1350);
}

TEST_F(Commands, RemoveErasesOnlyAfterThreeRightAnswers) {
  struct Case {
    const char *input, *error;
  };
  for (const auto& c : {
           Case{"", "Aborted!"},
           Case{"dmeo\n", "Cluster names specified do not match"},
           Case{"demo\n\nyes\n", "You did not exactly type \"Yes I am aware\""},
           Case{"demo\nYes I am aware\nb\n",
                "You did not specify the current leader of the cluster"},
       }) {
    input = c.input;
    EXPECT_EQ(error_of(run_remove), c.error);
    EXPECT_TRUE(world.txns.empty());
  }
  input = "demo\nYes I am aware\na\n";
  ASSERT_EQ(run(run_remove), 0);
  EXPECT_EQ(world.txns,
            (std::vector<model::Txn>{{.then = {{model::Write::What::erase_prefix, ""}}}}));
}

}  // namespace
}  // namespace aurum::cli
