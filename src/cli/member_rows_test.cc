#include "cli/member_rows.h"

#include <gtest/gtest.h>

namespace aurum::cli {
namespace {

using model::ClusterView;

/// The cluster of the sample in PATRONI_COMPAT §4.3.
ClusterView sample() {
  const std::vector<model::KeyValue> keys = {
      {"initialize", "7711068554931311871"},
      {"leader", "node-0"},
      {"members/node-0",
       R"({"conn_url":"postgres://127.0.0.1:5550/postgres","state":"running","role":"primary",)"
       R"("tags":{"mytag":"v0"},"xlog_location":67109056,"timeline":1})"},
      {"members/node-1",
       R"({"conn_url":"postgres://127.0.0.1:5551/postgres","state":"running","role":"replica",)"
       R"("tags":{"mytag":"v1","clonefrom":true},"xlog_location":67109056,"replay_lsn":67109056,)"
       R"("receive_lsn":67109056,"replication_state":"streaming","timeline":1})"},
      {"status", R"({"optime":67109056})"},
  };
  return model::decode_cluster(1, keys);
}

model::Member replica(const std::string& name, const std::string& source = {}) {
  model::Member member;
  member.name = name;
  member.role = model::Role::replica;
  if (!source.empty()) member.tags.set("replicatefrom", source);
  return member;
}

std::string drawn(const ClusterView& view) {
  std::string out;
  for (const auto& [name, depth] : topology_order(view)) out += std::to_string(depth) + name + " ";
  return out;
}

TEST(MemberRows, LookAsPatronisPrettyList) {
  EXPECT_EQ(
      render_members(sample(), "demo", {}),
      "+ Cluster: demo (7711068554931311871) "
      "----------+----+-------------+-----+------------+-----+"
      "-----------------+\n"
      "| Member | Host           | Role    | State     | TL | Receive LSN | Lag | Replay LSN | Lag "
      "|"
      " Tags            |\n"
      "+--------+----------------+---------+-----------+----+-------------+-----+------------+-----"
      "+"
      "-----------------+\n"
      "| node-0 | 127.0.0.1:5550 | Leader  | running   |  1 |             |     |            |     "
      "|"
      " mytag: v0       |\n"
      "+--------+----------------+---------+-----------+----+-------------+-----+------------+-----"
      "+"
      "-----------------+\n"
      "| node-1 | 127.0.0.1:5551 | Replica | streaming |  1 |   0/40000C0 |   0 |  0/40000C0 |   0 "
      "|"
      " clonefrom: true |\n"
      "|        |                |         |           |    |             |     |            |     "
      "|"
      " mytag: v1       |\n"
      "+--------+----------------+---------+-----------+----+-------------+-----+------------+-----"
      "+"
      "-----------------+\n");
}

TEST(MemberRows, JsonLeavesOutWhatIsEmptyAndKeepsNumbers) {
  EXPECT_EQ(
      render_members(sample(), "demo", {.format = Format::json}),
      R"([{"Cluster": "demo", "Member": "node-0", "Host": "127.0.0.1:5550", "Role": "Leader", )"
      R"("State": "running", "TL": 1, "Tags": {"mytag": "v0"}}, {"Cluster": "demo", )"
      R"("Member": "node-1", "Host": "127.0.0.1:5551", "Role": "Replica", )"
      R"("State": "streaming", "TL": 1, "Receive LSN": "0/40000C0", "Receive Lag": 0, )"
      R"("Replay LSN": "0/40000C0", "Replay Lag": 0, "Tags": {"mytag": "v1", )"
      R"("clonefrom": true}}])"
      "\n");
}

TEST(MemberRows, TsvNamesBothLagsAndWritesTagsOnOneLine) {
  EXPECT_EQ(render_members(sample(), "demo", {.format = Format::tsv}),
            "Cluster\tMember\tHost\tRole\tState\tTL\tReceive LSN\tReceive Lag\tReplay LSN\tReplay "
            "Lag\tTags\n"
            "demo\tnode-0\t127.0.0.1:5550\tLeader\trunning\t1\t\t\t\t\t{mytag: v0}\n"
            "demo\tnode-1\t127.0.0.1:5551\tReplica\tstreaming\t1\t0/40000C0\t0\t0/40000C0\t0\t"
            "{clonefrom: true, mytag: v1}\n");
}

TEST(MemberRows, ShowMaintenanceAndAScheduledSwitchoverBelow) {
  ClusterView view = sample();
  view.config = model::parse_json(R"({"pause":true})").value();
  view.failover = model::decode_failover(
      R"({"leader":"node-0","member":"node-1","scheduled_at":"2026-11-23T05:00:00+00:00"})");
  const std::string footer =
      " Maintenance mode: on\n"
      " Switchover scheduled at: 2026-11-23T05:00:00+00:00\n"
      "                    from: node-0\n"
      "                      to: node-1\n";
  EXPECT_TRUE(render_members(view, "demo", {}).ends_with(footer));
  EXPECT_EQ(render_members(view, "demo", {.format = Format::tsv}).find("Maintenance"),
            std::string::npos);
}

TEST(MemberRows, ShowARestoreOfTheClusterBelow) {
  ClusterView view = sample();
  view.restore = model::Restore{.step = model::RestoreStep::fetch, .node = "node-1"};
  view.restore->target = {model::RecoveryTarget::Kind::time, "2026-11-23T04:00:00+00:00"};
  EXPECT_TRUE(render_members(view, "demo", {})
                  .ends_with(" Restore to 2026-11-23T04:00:00+00:00: fetch, on node-1\n"));
  view.restore->error = "no room";
  EXPECT_TRUE(render_members(view, "demo", {}).ends_with("   stands still: no room\n"));
  EXPECT_EQ(render_members(view, "demo", {.format = Format::tsv}).find("Restore"),
            std::string::npos);
}

TEST(MemberRows, ShowPendingAndScheduledRestartsOnlyWhenThereAreSome) {
  ClusterView view = sample();
  EXPECT_EQ(render_members(view, "demo", {}).find("Pending"), std::string::npos);
  auto& member = view.members.at("node-1");
  member.pending_restart = true;
  member.pending_restart_reason =
      model::parse_json(R"({"max_connections":{"old_value":"100","new_value":"50"},)"
                        R"("shared_preload_libraries":{"old_value":"a_rather_long_library_name",)"
                        R"("new_value":""}})")
          .value();
  member.scheduled_restart =
      model::parse_json(R"({"schedule":"2026-11-23T05:00:00+00:00","postgres_version":"16.0"})")
          .value();
  const std::string pretty = render_members(view, "demo", {});
  EXPECT_NE(pretty.find("| Pending restart | Pending restart reason "), std::string::npos);
  EXPECT_NE(pretty.find("| *               | max_connections: 100->50 "), std::string::npos);
  EXPECT_NE(pretty.find("shared_preload_libraries: [hidden - too long]"), std::string::npos);
  EXPECT_NE(pretty.find("2026-11-23T05:00:00+00:00 if version < 16.0"), std::string::npos);
}

TEST(MemberRows, LeaveOutThePortOnlyWhereItTellsNothing) {
  ClusterView view = sample();
  view.members.at("node-0").conn_url = "postgres://10.0.0.1:5432/postgres";
  view.members.at("node-1").conn_url = "postgres://10.0.0.2:5432/postgres";
  EXPECT_NE(render_members(view, "demo", {}).find("| 10.0.0.1 |"), std::string::npos);
  view.members.at("node-1").conn_url = "postgres://10.0.0.1:5432/postgres";
  EXPECT_NE(render_members(view, "demo", {}).find("| 10.0.0.1:5432 |"), std::string::npos);
}

TEST(MemberRows, SayWhatIsKnownOfTheSystemIdentifier) {
  EXPECT_TRUE(render_members({}, "demo", {}).starts_with("+ Cluster: demo (uninitialized) "));
  ClusterView view;
  view.initialize = "";
  EXPECT_TRUE(render_members(view, "demo", {}).starts_with("+ Cluster: demo (initializing) "));
}

TEST(Topology, PutsCascadingReplicasUnderTheirSource) {
  ClusterView view;
  view.leader = model::Leader{"a"};
  for (const auto& member : {replica("a"), replica("b"), replica("c"), replica("d", "b"),
                             replica("e", "gone"), replica("f", "d")})
    view.members.emplace(member.name, member);
  EXPECT_EQ(drawn(view), "0a 1b 2d 3f 1c 1e ");
}

TEST(Topology, ShowsEveryMemberOfARingAndOfALeaderlessCluster) {
  ClusterView view;
  for (const auto& member : {replica("a", "b"), replica("b", "a"), replica("c")})
    view.members.emplace(member.name, member);
  EXPECT_EQ(drawn(view), "0a 1b 0c ");
  view.leader = model::Leader{"c"};
  EXPECT_EQ(drawn(view), "0c 1a 2b ");
}

}  // namespace
}  // namespace aurum::cli
