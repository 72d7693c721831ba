#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/metrics.h"
#include "api/status_document.h"
#include "api/testing/fake_node.h"

namespace aurum::api {
namespace {

using testing::FakeNode;
using ::testing::HasSubstr;
using testing::PgState;
using testing::Role;

const core::Identity kIdentity{.aurum_version = "0.1.0", .patroni_version = "4.1.4"};

std::string document(const FakeNode& node) {
  return model::to_json_loose(status_document(node.view(), kIdentity));
}

TEST(StatusDocument, OfAPrimary) {
  FakeNode node;
  node.view_.facts.senders = {{.usename = "repl",
                               .application_name = "node-1",
                               .client_addr = "127.0.0.1",
                               .state = "streaming",
                               .sync_state = "async",
                               .sync_priority = 0}};
  node.view_.effective_tags = model::parse_json(R"({"mytag":"v0"})").value();
  EXPECT_EQ(
      document(node),
      R"({"state": "running", "postmaster_start_time": "2026-11-22 21:11:18.551593+00:00", )"
      R"("role": "primary", "server_version": 150020, "xlog": {"location": 1000}, "timeline": 1, )"
      R"("replication": [{"usename": "repl", "application_name": "node-1", "client_addr": "127.0.0.1", )"
      R"("state": "streaming", "sync_state": "async", "sync_priority": 0}], )"
      R"("dcs_last_seen": 1795382025, "tags": {"mytag": "v0"}, "database_system_identifier": "7711", )"
      R"("patroni": {"version": "4.1.4", "scope": "demo", "name": "node-0"}})");
}

TEST(StatusDocument, TellsOfPasswordsThatEverybodyKnowsBehindWhatPatroniSays) {
  FakeNode node;
  const auto plain = document(node);
  EXPECT_THAT(plain, ::testing::Not(HasSubstr("aurum")));
  node.view_.development = true;
  EXPECT_EQ(document(node),
            plain.substr(0, plain.size() - 1) + R"(, "aurum": {"development": true}})");
  node.view_.running_action = "restart";
  EXPECT_THAT(document(node), HasSubstr(R"("aurum": {"action": "restart", "development": true}})"));
}

TEST(StatusDocument, OfAReplicaWithEverything) {
  FakeNode node;
  node.follow();
  node.cluster.sync = {.leader = "node-1", .members = {"node-0"}, .mod_revision = 1};
  node.dynamic.synchronous_mode = model::SyncMode::on;
  node.view_.facts.received_lsn.reset();
  node.view_.paused = node.view_.cluster_unlocked = node.view_.failsafe_active = true;
  node.view_.watchdog_failed = true;
  node.view_.facts.pending_restart_reason =
      model::parse_json(R"({"max_connections":{"old_value":"100","new_value":"101"}})").value();
  node.view_.scheduled_restart =
      model::parse_json(
          R"({"schedule":"2037-01-01T00:00:00+00:00","role":"replica","postmaster_start_time":"x"})")
          .value();
  EXPECT_EQ(
      document(node),
      R"({"state": "running", "postmaster_start_time": "2026-11-22 21:11:18.551593+00:00", )"
      R"("role": "replica", "server_version": 150020, "xlog": {"received_location": 900, )"
      R"("replayed_location": 900, "replayed_timestamp": null, "paused": false}, "sync_standby": true, )"
      R"("timeline": 1, "replication_state": "streaming", "pause": true, "cluster_unlocked": true, )"
      R"("failsafe_mode_is_active": true, "dcs_last_seen": 1795382025, "database_system_identifier": "7711", )"
      R"("pending_restart": true, "pending_restart_reason": {"max_connections": {"old_value": "100", )"
      R"("new_value": "101"}}, "patroni": {"version": "4.1.4", "scope": "demo", "name": "node-0"}, )"
      R"("scheduled_restart": {"schedule": "2037-01-01T00:00:00+00:00", "role": "replica"}, )"
      R"("watchdog_failed": true})");
  node.dynamic.synchronous_mode = model::SyncMode::quorum;
  EXPECT_THAT(document(node), HasSubstr(R"("quorum_standby": true, "timeline")"));
}

TEST(StatusDocument, WhenPostgresqlDoesNotAnswer) {
  FakeNode node;
  node.follow();
  node.has_cluster = false;
  node.view_.facts = {};
  EXPECT_EQ(document(node),
            R"({"state": "unknown", "role": "replica", "dcs_last_seen": 1795382025, )"
            R"("patroni": {"version": "4.1.4", "scope": "demo", "name": "node-0"}})");
  node.view_.state = PgState::stopped;
  node.view_.role = Role::demoted;
  EXPECT_THAT(document(node), HasSubstr(R"({"state": "stopped", "role": "demoted", )"));
}

TEST(StatusDocument, InAStandbyClusterTheRoleIsTheNodesOwn) {
  FakeNode node;
  node.follow();
  node.dynamic.standby_cluster = model::StandbyCluster{.host = "far"};
  node.view_.role = Role::standby_leader;
  EXPECT_THAT(document(node), HasSubstr(R"("role": "standby_leader")"));
}

TEST(Metrics, OfAPrimary) {
  FakeNode node;
  const auto page = render_metrics(node.view(), kIdentity);
  EXPECT_EQ(page.substr(0, page.find("# HELP patroni_cluster_unlocked")),
            R"(# HELP patroni_version Patroni semver without periods.
# TYPE patroni_version gauge
patroni_version{scope="demo",name="node-0"} 040104
# HELP patroni_postgres_running Value is 1 if Postgres is running, 0 otherwise.
# TYPE patroni_postgres_running gauge
patroni_postgres_running{scope="demo",name="node-0"} 1
# HELP patroni_postmaster_start_time Epoch seconds since Postgres started.
# TYPE patroni_postmaster_start_time gauge
patroni_postmaster_start_time{scope="demo",name="node-0"} 1795381878.551593
# HELP patroni_primary Value is 1 if this node is the leader, 0 otherwise.
# TYPE patroni_primary gauge
patroni_primary{scope="demo",name="node-0"} 1
# HELP patroni_xlog_location Current location of the Postgres transaction log, 0 if this node is not the leader.
# TYPE patroni_xlog_location counter
patroni_xlog_location{scope="demo",name="node-0"} 1000
# HELP patroni_standby_leader Value is 1 if this node is the standby_leader, 0 otherwise.
# TYPE patroni_standby_leader gauge
patroni_standby_leader{scope="demo",name="node-0"} 0
# HELP patroni_replica Value is 1 if this node is a replica, 0 otherwise.
# TYPE patroni_replica gauge
patroni_replica{scope="demo",name="node-0"} 0
# HELP patroni_sync_standby Value is 1 if this node is a sync standby replica, 0 otherwise.
# TYPE patroni_sync_standby gauge
patroni_sync_standby{scope="demo",name="node-0"} 0
# HELP patroni_quorum_standby Value is 1 if this node is a quorum standby replica, 0 otherwise.
# TYPE patroni_quorum_standby gauge
patroni_quorum_standby{scope="demo",name="node-0"} 0
# HELP patroni_xlog_received_location Current location of the received Postgres transaction log, 0 if this node is not a replica.
# TYPE patroni_xlog_received_location counter
patroni_xlog_received_location{scope="demo",name="node-0"} 0
# HELP patroni_xlog_replayed_location Current location of the replayed Postgres transaction log, 0 if this node is not a replica.
# TYPE patroni_xlog_replayed_location counter
patroni_xlog_replayed_location{scope="demo",name="node-0"} 0
# HELP patroni_xlog_replayed_timestamp Current timestamp of the replayed Postgres transaction log, 0 if null.
# TYPE patroni_xlog_replayed_timestamp gauge
patroni_xlog_replayed_timestamp{scope="demo",name="node-0"} 0
# HELP patroni_xlog_paused Value is 1 if the Postgres xlog is paused, 0 otherwise.
# TYPE patroni_xlog_paused gauge
patroni_xlog_paused{scope="demo",name="node-0"} 0
# HELP patroni_postgres_streaming Value is 1 if Postgres is streaming, 0 otherwise.
# TYPE patroni_postgres_streaming gauge
patroni_postgres_streaming{scope="demo",name="node-0"} 0
# HELP patroni_postgres_in_archive_recovery Value is 1 if Postgres is replicating from archive, 0 otherwise.
# TYPE patroni_postgres_in_archive_recovery gauge
patroni_postgres_in_archive_recovery{scope="demo",name="node-0"} 0
# HELP patroni_postgres_server_version Version of Postgres (if running), 0 otherwise.
# TYPE patroni_postgres_server_version gauge
patroni_postgres_server_version{scope="demo",name="node-0"} 150020
)");
  EXPECT_THAT(page,
              HasSubstr(R"(# HELP patroni_postgres_state Numeric representation of Postgres state.
# Values: 0=initdb, 1=initdb_failed, 2=custom_bootstrap, 3=custom_bootstrap_failed, 4=creating_replica, 5=running, 6=starting, 7=bootstrap_starting, 8=start_failed, 9=restarting, 10=restart_failed, 11=stopping, 12=stopped, 13=stop_failed, 14=crashed
# TYPE patroni_postgres_state gauge
patroni_postgres_state{scope="demo",name="node-0"} 5
)"));
  EXPECT_THAT(page, HasSubstr("patroni_master{scope=\"demo\",name=\"node-0\"} 1\n"));
  EXPECT_THAT(page,
              HasSubstr("aurum_build_info{scope=\"demo\",name=\"node-0\",version=\"0.1.0\"} 1\n"));
  EXPECT_THAT(page,
              HasSubstr("aurum_lease_remaining_seconds{scope=\"demo\",name=\"node-0\"} 21.5\n"));
  EXPECT_THAT(page, HasSubstr("aurum_lease_span_seconds{scope=\"demo\",name=\"node-0\"} 28.7\n"));
  EXPECT_THAT(page, HasSubstr("aurum_leader_epoch{scope=\"demo\",name=\"node-0\"} 7\n"));
  EXPECT_THAT(page, HasSubstr("aurum_development{scope=\"demo\",name=\"node-0\"} 0\n"));
  const auto volume = [](const char* name, const char* which, int value) {
    return fmt::format("aurum_disk_{}{{scope=\"demo\",name=\"node-0\",volume=\"{}\"}} {}\n", name,
                       which, value);
  };
  EXPECT_THAT(page, HasSubstr(volume("available_bytes", "data", 1000)));
  EXPECT_THAT(page, HasSubstr(volume("available_bytes", "wal", 5)));
  EXPECT_THAT(page, HasSubstr(volume("capacity_bytes", "data", 2000)));
  EXPECT_THAT(page, HasSubstr(volume("ballast_bytes", "data", 30)));
  EXPECT_THAT(page, HasSubstr("aurum_disk_level{scope=\"demo\",name=\"node-0\"} 2\n"));
}

TEST(Metrics, HowLongEachPartOfAFailoverTook) {
  FakeNode node;
  node.view_.phases.add({.detect = milliseconds(1020),
                         .acquire = milliseconds(240),
                         .promote = milliseconds(80),
                         .open = milliseconds(10)});
  const auto page = render_metrics(node.view(), kIdentity);
  const auto bucket = [](const char* phase, const char* le, int value) {
    return fmt::format(
        "aurum_failover_phase_seconds_bucket{{scope=\"demo\",name=\"node-0\",phase=\"{}\",le=\"{}"
        "\"}}"
        " {}\n",
        phase, le, value);
  };
  EXPECT_THAT(page, HasSubstr("# TYPE aurum_failover_phase_seconds histogram\n"));
  EXPECT_THAT(page, HasSubstr(bucket("detect", "1", 0)));
  EXPECT_THAT(page, HasSubstr(bucket("detect", "2.5", 1)));
  EXPECT_THAT(page, HasSubstr(bucket("promote", "0.1", 1)));
  EXPECT_THAT(page, HasSubstr(bucket("total", "+Inf", 1)));
  EXPECT_THAT(page, HasSubstr("_sum{scope=\"demo\",name=\"node-0\",phase=\"total\"} 1.35\n"));
  EXPECT_THAT(page, HasSubstr("_count{scope=\"demo\",name=\"node-0\",phase=\"total\"} 1\n"));
}

TEST(Metrics, OfAReplicaAndOfAStoppedServer) {
  FakeNode node;
  node.follow();
  node.config.scope = "a\"b\\c";
  node.view_.facts.replayed_timestamp_epoch = 12.5;
  auto page = render_metrics(node.view(), kIdentity);
  const std::string labels = R"({scope="a\"b\\c",name="node-0"})";
  EXPECT_THAT(page, HasSubstr("patroni_replica" + labels + " 1\n"));
  EXPECT_THAT(page, HasSubstr("patroni_xlog_received_location" + labels + " 950\n"));
  EXPECT_THAT(page, HasSubstr("patroni_xlog_replayed_location" + labels + " 900\n"));
  EXPECT_THAT(page, HasSubstr("patroni_xlog_replayed_timestamp" + labels + " 12.5\n"));
  EXPECT_THAT(page, HasSubstr("patroni_postgres_streaming" + labels + " 1\n"));
  EXPECT_THAT(page, HasSubstr("aurum_lease_remaining_seconds" + labels + " 0\n"));
  node.view_.facts = {};
  node.view_.state = PgState::stopped;
  page = render_metrics(node.view(), kIdentity);
  EXPECT_EQ(page.find("patroni_postgres_streaming"), std::string::npos);
  EXPECT_THAT(page, HasSubstr("patroni_postgres_server_version" + labels + " 0\n"));
  EXPECT_THAT(page, HasSubstr("patroni_postgres_state" + labels + " 12\n"));
}

}  // namespace
}  // namespace aurum::api
