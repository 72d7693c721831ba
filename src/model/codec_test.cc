// The DCS codecs against the examples seen on a live cluster (PATRONI_COMPAT §1.2), and what
// readers must bear.
#include <gtest/gtest.h>

#include "model/cluster.h"

namespace aurum::model {
namespace {

constexpr std::string_view kLiveMember =
    R"({"conn_url":"postgres://127.0.0.1:5551/postgres","api_url":"http://127.0.0.1:8018/patroni",)"
    R"("state":"running","role":"replica","version":"4.1.4",)"
    R"("proxy_url":"postgres://127.0.0.1:6551/postgres","tags":{"clonefrom":true,"mytag":"v1"},)"
    R"("xlog_location":67109056,"replay_lsn":67109056,"receive_lsn":67109056,)"
    R"("replication_state":"streaming","timeline":1})";

TEST(MemberCodec, LiveExampleIsReadAndWrittenByteByByte) {
  const Member m = decode_member("node-1", kLiveMember);
  EXPECT_EQ(m.name, "node-1");
  EXPECT_EQ(m.conn_url, "postgres://127.0.0.1:5551/postgres");
  EXPECT_EQ(m.state, PgState::running);
  EXPECT_EQ(m.role, Role::replica);
  EXPECT_EQ(m.replay_lsn, Lsn{67109056});
  EXPECT_EQ(m.timeline, 1U);
  EXPECT_FALSE(m.checkpoint_after_promote_pending);
  EXPECT_TRUE(tag_clonefrom(m));
  EXPECT_EQ(encode_member(m), kLiveMember);
}

TEST(MemberCodec, EveryFieldStandsInItsPlace) {
  Member m;
  m.name = "n";
  m.conn_url = "postgres://h:1/d";
  m.api_url = "http://h:2/patroni";
  m.proxy_url = "postgres://p:3/d";
  m.state = PgState::creating_replica;
  m.role = Role::primary;
  m.version = "4.1.4";
  m.aurum_version = "0.1.0";
  m.checkpoint_after_promote_pending = true;
  m.tags.set("nofailover", true);
  m.pending_restart = true;
  m.pending_restart_reason =
      *parse_json(R"({"max_connections":{"old_value":"100","new_value":"200"}})");
  m.xlog_location = Lsn{1};
  m.replay_lsn = Lsn{2};
  m.receive_lsn = Lsn{3};
  m.replication_state = "in archive recovery";
  m.timeline = 7;
  m.scheduled_restart = *parse_json(R"({"schedule":"2030-01-01T00:00:00+00:00"})");
  m.pause = true;
  EXPECT_EQ(
      encode_member(m),
      R"({"conn_url":"postgres://h:1/d","api_url":"http://h:2/patroni","state":"creating replica",)"
      R"("role":"primary","version":"4.1.4","aurum":"0.1.0","proxy_url":"postgres://p:3/d",)"
      R"("checkpoint_after_promote":false,"tags":{"nofailover":true},"pending_restart":true,)"
      R"("pending_restart_reason":{"max_connections":{"old_value":"100","new_value":"200"}},)"
      R"("xlog_location":1,"replay_lsn":2,"receive_lsn":3,"replication_state":"in archive recovery",)"
      R"("timeline":7,"scheduled_restart":{"schedule":"2030-01-01T00:00:00+00:00"},"pause":true})");
  EXPECT_EQ(decode_member("n", encode_member(m)), m);
}

TEST(MemberCodec, OldAndBrokenFormsAreBorne) {
  const Member old =
      decode_member("a",
                    "postgres://u:p%40ss@10.0.0.1:5432/postgres?x=1&application_name="
                    "http%3A%2F%2F10.0.0.1:8008/patroni");
  EXPECT_EQ(old.conn_url, "postgres://10.0.0.1:5432/postgres");
  EXPECT_EQ(old.api_url, "http://10.0.0.1:8008/patroni");
  EXPECT_EQ(old.state, PgState::unknown);

  for (std::string_view text : {"", "null", "[1]", "{", "12", "\"x\"", "\xff\xfe", "{}"}) {
    const Member m = decode_member("a", text);
    EXPECT_EQ(m.name, "a");
    EXPECT_EQ(m.state, PgState::unknown);
    EXPECT_TRUE(m.tags.is_null());
  }
  const Member kwargs = decode_member(
      "a", R"({"conn_kwargs":{"host":"::1","port":5433,"dbname":"d"},"role":"master","tags":"x",)"
           R"("xlog_location":"12","replay_lsn":-1,"timeline":null})");
  EXPECT_EQ(kwargs.conn_url, "postgres://[::1]:5433/d");
  EXPECT_EQ(kwargs.role, Role::primary);
  EXPECT_EQ(kwargs.xlog_location, Lsn{12});
  EXPECT_FALSE(kwargs.replay_lsn);
  EXPECT_FALSE(kwargs.timeline);
}

TEST(StatusCodec, RoundTripAndOldForms) {
  ClusterStatus s;
  s.optime = Lsn{67109056};
  s.slots = {{"node_0", Lsn{1}}, {"node_1", Lsn{2}}};
  s.retain_slots = {"node_1"};
  const std::string text =
      R"({"optime":67109056,"slots":{"node_0":1,"node_1":2},"retain_slots":["node_1"]})";
  EXPECT_EQ(encode_status(s), text);
  EXPECT_EQ(decode_status(text), s);
  EXPECT_EQ(
      decode_status(
          R"({"optime":"67109056","slots":"{\"node_0\":1,\"node_1\":2}","retain_slots":"[\"node_1\"]"})"),
      s);
  EXPECT_EQ(decode_status("67109056").optime, Lsn{67109056});
  EXPECT_EQ(decode_status("garbage"), ClusterStatus{});
  EXPECT_EQ(encode_status({}), "{}");
}

TEST(HistoryCodec, LiveExampleAndShortEntries) {
  const std::string live =
      R"([[1,67406048,"no recovery target specified","2026-11-22T18:48:09.437546+00:00","node-1"]])";
  const History history = decode_history(live);
  ASSERT_EQ(history.size(), 1U);
  EXPECT_EQ(history[0].lsn, Lsn{67406048});
  EXPECT_EQ(history[0].new_leader, "node-1");
  EXPECT_EQ(encode_history(history), live);

  const std::string shorter = R"([[1,10,"a"],[2,20,"b","2026-01-01T00:00:00+00:00"]])";
  EXPECT_EQ(encode_history(decode_history(shorter)), shorter);
  EXPECT_TRUE(decode_history(R"([[1,2],{"a":1},["x",1,"r"],7])").empty());
  EXPECT_TRUE(decode_history("{}").empty());
}

TEST(HistoryFile, IsRead) {
  const auto history = parse_history_file(
      "1\t0/3000060\tno recovery target specified\n\n# note\n  2\tA/FF\tbefore 2020 x\n");
  ASSERT_TRUE(history);
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ((*history)[1], (HistoryEntry{2, Lsn{0xA000000FF}, "before 2020 x", "", ""}));
  EXPECT_EQ(parse_history_file("1 0/1\n1 0/2 again\n").error().code, Code::invalid);
  EXPECT_FALSE(parse_history_file("1 nonsense reason"));
  EXPECT_FALSE(parse_history_file("1"));
  EXPECT_TRUE(parse_history_file("")->empty());
}

TEST(FailoverCodec, EmptyIsBracesAndTextIsUnderstood) {
  EXPECT_EQ(encode_failover({}), "{}");
  FailoverRequest planned{
      .leader = "a", .candidate = "b", .scheduled_at = "2030-01-01T00:00:00+00:00"};
  EXPECT_EQ(encode_failover(planned),
            R"({"leader":"a","member":"b","scheduled_at":"2030-01-01T00:00:00+00:00"})");
  EXPECT_EQ(decode_failover(encode_failover(planned)), planned);
  EXPECT_EQ(decode_failover("a:b"), (FailoverRequest{.leader = "a", .candidate = "b"}));
  EXPECT_EQ(decode_failover(":b"), (FailoverRequest{.candidate = "b"}));
  EXPECT_TRUE(decode_failover("").is_empty());
  EXPECT_TRUE(decode_failover("null").is_empty());
  EXPECT_TRUE(decode_failover("{\"leader\":").is_empty());
}

TEST(SyncCodec, NamesAreSortedAndComparedWithoutCase) {
  SyncKey sync{.leader = "n0", .members = {"c", "a"}, .quorum = 1};
  EXPECT_EQ(encode_sync(sync), R"({"leader":"n0","quorum":1,"sync_standby":"a,c"})");
  EXPECT_EQ(encode_sync({}), R"({"leader":null,"quorum":0,"sync_standby":null})");
  const SyncKey read = decode_sync(R"({"leader":"n0","sync_standby":"c, a,,"})");
  EXPECT_EQ(read.members, (std::vector<std::string>{"a", "c"}));
  EXPECT_TRUE(read.has("A"));
  EXPECT_TRUE(read.matches("N0"));
  EXPECT_FALSE(read.has("n0"));
  EXPECT_FALSE(decode_sync(R"({"sync_standby":"a"})").matches("a"));
}

TEST(FailsafeCodec, RoundTrip) {
  FailsafeMap map;
  map.members = {{"a", "http://a:8008/patroni"}, {"b", "http://b:8008/patroni"}};
  EXPECT_EQ(encode_failsafe(map), R"({"a":"http://a:8008/patroni","b":"http://b:8008/patroni"})");
  EXPECT_EQ(decode_failsafe(encode_failsafe(map)), map);
}

TEST(DecodeCluster, ReadsEveryKey) {
  const ClusterView view = decode_cluster(
      99, {{"initialize", "7711068554931311871", 0, 1, 2},
           {"leader", "node-0", 77, 5, 6},
           {"members/node-0", R"({"role":"primary","state":"running"})", 77, 3, 8},
           {"members/node-1", std::string(kLiveMember), 78, 3, 9},
           {"config", R"({"ttl":30})", 0, 1, 10},
           {"optime/leader", "5", 0, 1, 11},
           {"failover", "{}", 0, 1, 12},
           {"sync", R"({"leader":"node-0","quorum":0,"sync_standby":"node-1"})", 0, 1, 13},
           {"failsafe", R"({"node-0":"u"})", 0, 1, 14},
           {"history", R"([[1,2,"x"]])", 0, 1, 15},
           {"heartbeat", "ours", 0, 1, 16}});
  EXPECT_EQ(view.revision, 99);
  EXPECT_EQ(view.initialize, "7711068554931311871");
  EXPECT_EQ(view.leader, (Leader{"node-0", 77, 5, 6}));
  EXPECT_EQ(view.leader_member()->lease, 77);
  EXPECT_EQ(view.member("node-1")->mod_revision, 9);
  EXPECT_EQ(view.config_revision, 10);
  EXPECT_EQ(view.status.optime, Lsn{5});
  EXPECT_EQ(view.failover->mod_revision, 12);
  EXPECT_EQ(view.sync.mod_revision, 13);
  EXPECT_EQ(view.failsafe->mod_revision, 14);
  EXPECT_EQ(view.history_revision, 15);
  EXPECT_EQ(decode_cluster(9, {{"aurum_unpromised", "6", 0, 1, 7}}).unpromised, 6);
  EXPECT_EQ(decode_cluster(9, {{"aurum_unpromised", "7", 0, 1, 7}}).unpromised, 0)
      << "copied here from another store";
  EXPECT_EQ(decode_cluster(1, {}).member("x"), nullptr);
  EXPECT_TRUE(decode_cluster(1, {{"config", "{", 0, 1, 2}}).config.is_null());
  // `status` rules out the legacy key even when it says nothing.
  EXPECT_FALSE(decode_cluster(1, {{"optime/leader", "5", 0, 1, 2}, {"status", "{}", 0, 1, 3}})
                   .status.optime);
}

TEST(Tags, TheBooleanWinsOverThePriority) {
  struct Case {
    const char* tags;
    bool nofailover;
    int priority;
  };
  for (const auto& c :
       {Case{"{}", false, 1}, Case{R"({"nofailover":true})", true, 0},
        Case{R"({"failover_priority":0})", true, 0}, Case{R"({"failover_priority":"3"})", false, 3},
        Case{R"({"failover_priority":-1})", true, 0},
        Case{R"({"nofailover":true,"failover_priority":1})", true, 0},
        Case{R"({"nofailover":false,"failover_priority":0})", false, 1},
        Case{R"({"nofailover":"on"})", true, 0}}) {
    Member m;
    m.tags = *parse_json(c.tags);
    EXPECT_EQ(tag_nofailover(m), c.nofailover) << c.tags;
    EXPECT_EQ(tag_failover_priority(m), c.priority) << c.tags;
  }
}

TEST(Tags, OnlyTrueFlagsArePublished) {
  const auto effective = [](const char* tags) {
    return to_json(effective_tags(*parse_json(tags)));
  };
  EXPECT_EQ(effective(R"({"clonefrom":false,"noloadbalance":true,"mytag":"1","nosync":false})"),
            R"({"noloadbalance":true,"mytag":"1"})");
  EXPECT_EQ(effective(R"({"failover_priority":"1","nofailover":false})"),
            R"({"failover_priority":"1","nofailover":false})");
  EXPECT_EQ(effective(R"({"nostream":false})"), "null");
  EXPECT_EQ(effective("[]"), "null");
}

TEST(Names, BasePathSlotAndHost) {
  for (std::string_view ns : {"/service/", "service", "/service", "//service//"})
    EXPECT_EQ(base_path(ns, "demo"), "/service/demo/");
  EXPECT_EQ(base_path("", "demo"), "/demo/");

  EXPECT_EQ(slot_name("Node-0.example"), "node_0_example");
  EXPECT_EQ(slot_name("a b@c"), "au0032bu0064c");
  EXPECT_EQ(slot_name("\xC3\x89t\xC3\xA9"), "u0233tu0233");
  EXPECT_EQ(slot_name(std::string(80, 'x')).size(), 63U);

  EXPECT_EQ(*parse_url_host("postgres://127.0.0.1:5551/postgres"), (HostPort{"127.0.0.1", 5551}));
  EXPECT_EQ(*parse_url_host("http://[::1]:8008/patroni"), (HostPort{"::1", 8008}));
  EXPECT_EQ(*parse_url_host("h"), (HostPort{"h", 0}));
  EXPECT_EQ(*parse_url_host("postgres://u:p@h:1?x"), (HostPort{"h", 1}));
  for (std::string_view bad : {"", "http://", ":5", "h:x", "h:70000", "[::1", "[::1]x", "h:-1"})
    EXPECT_FALSE(parse_url_host(bad)) << bad;
}

TEST(Lsn, TextForms) {
  EXPECT_EQ(to_string(Lsn{0x3000060}), "0/3000060");
  EXPECT_EQ(to_string(Lsn{0xA000000FF}), "A/FF");
  EXPECT_EQ(parse_lsn("a/0ff")->value, 0xA000000FFU);
  for (std::string_view bad :
       {"", "/", "1", "1/", "/1", "1/x", "1/2/3", "123456789/0", "-1/0", "1/ 2"})
    EXPECT_FALSE(parse_lsn(bad)) << bad;
}

TEST(Iso8601, RoundTripAndOffsets) {
  const std::string text = "2026-11-22T18:48:09.437546+00:00";
  EXPECT_EQ(iso8601(*parse_iso8601(text)), text);
  EXPECT_EQ(iso8601(WallTime{0}), "1970-01-01T00:00:00.000000+00:00");
  EXPECT_EQ(iso8601(WallTime{-1}), "1969-12-31T23:59:59.999999+00:00");
  EXPECT_EQ(iso8601(*parse_iso8601("2026-02-28 23:30-01:30")), "2026-03-01T01:00:00.000000+00:00");
  EXPECT_EQ(parse_iso8601("2026-01-01T00:00Z")->us, parse_iso8601("2026-01-01T02:00:00 +0200")->us);
  EXPECT_EQ(parse_iso8601("2026-01-01T00:00:00").error().message, "no offset");
  for (std::string_view bad : {"", "now", "2026-13-01T00:00Z", "2026-02-30T00:00Z", "2026-01-01",
                               "2026-01-01T25:00Z", "2026-01-01T00:00+9", "2026-01-01T00:00Zx"})
    EXPECT_EQ(parse_iso8601(bad).error().code, Code::invalid) << bad;
}

TEST(Enumerations, TextRoundTrips) {
  for (int number = -1; number <= 14; ++number) {
    const auto state = static_cast<PgState>(number);
    EXPECT_EQ(parse_pg_state(to_string(state)), state);
    EXPECT_FALSE(identifier(state).empty());
  }
  EXPECT_EQ(to_string(PgState::bootstrap_starting), "starting after custom bootstrap");
  EXPECT_EQ(parse_role("master"), Role::primary);
  EXPECT_EQ(parse_role("nobody"), Role::uninitialized);
  EXPECT_EQ(to_string(Role::standby_leader), "standby_leader");
}

TEST(DecodeCluster, AHugeValueIsAbsentAndItsRevisionKnown) {
  const std::string huge = R"({"ttl":9,"x":")" + std::string(kValueBytesMax, 'x') + "\"}";
  std::vector<KeyValue> keys;
  for (const char* key : {"config", "failover", "sync", "members/a", "status", "history"})
    keys.push_back({.key = key, .value = huge, .mod_revision = 7});
  const auto view = decode_cluster(8, keys);
  EXPECT_TRUE(view.config.is_null());
  EXPECT_EQ(view.config_revision, 7);
  EXPECT_TRUE(view.failover && view.failover->is_empty());
  EXPECT_EQ(view.failover->mod_revision, 7);
  EXPECT_EQ(view.sync.mod_revision, 7);
  EXPECT_EQ(view.members.at("a").state, PgState::unknown);
}

}  // namespace
}  // namespace aurum::model
