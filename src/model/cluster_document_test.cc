// GET /cluster: key order, roles and lags of PATRONI_COMPAT §2.4; and what is read from a peer
// (§2.7).
#include <gtest/gtest.h>

#include "model/cluster.h"
#include "model/postgres.h"

namespace aurum::model {
namespace {

KeyValue kv(std::string key, std::string value) {
  return {std::move(key), std::move(value), 0, 1, 2};
}

std::vector<KeyValue> three_nodes() {
  return {
      kv("leader", "n0"), kv("status", R"({"optime":100})"),
      kv("members/n0", R"({"conn_url":"postgres://h0:5432/p","api_url":"http://h0:8008/patroni",)"
                       R"("state":"running","role":"primary","timeline":2,"xlog_location":100})"),
      kv("members/n1", R"({"conn_url":"postgres://h1:5433/p","state":"running","role":"replica",)"
                       R"("replication_state":"streaming","receive_lsn":90,"replay_lsn":80,)"
                       R"("xlog_location":120,"timeline":2,"pending_restart":true,)"
                       R"("tags":{"clonefrom":true}})"),
      kv("members/n2", R"({"conn_url":"postgres://h2/p","state":"stopped","role":"replica"})")};
}

TEST(ClusterDocument, LeaderReplicaAndStoppedNode) {
  const auto view = decode_cluster(1, three_nodes());
  EXPECT_EQ(
      to_json(cluster_document(view, "demo")),
      R"({"members":[{"name":"n0","role":"leader","state":"running","api_url":"http://h0:8008/patroni",)"
      R"("host":"h0","port":5432,"timeline":2},)"
      R"({"name":"n1","role":"replica","state":"streaming","host":"h1","port":5433,"timeline":2,)"
      R"("pending_restart":true,"tags":{"clonefrom":true},"receive_lag":10,"receive_lsn":"0/5A",)"
      R"("replay_lag":20,"replay_lsn":"0/50","lag":0,"lsn":"0/78"},)"
      R"({"name":"n2","role":"replica","state":"stopped","host":"h2","port":5432,)"
      R"("receive_lsn":"unknown","receive_lag":"unknown","replay_lsn":"unknown",)"
      R"("replay_lag":"unknown","lsn":"unknown","lag":"unknown"}],"scope":"demo"})");
}

std::string role_of(std::vector<KeyValue> keys, std::size_t index) {
  const auto document = cluster_document(decode_cluster(1, keys), "demo");
  return document.find("members")->as_array().at(index).find("role")->as_string();
}

TEST(ClusterDocument, RolesFollowSyncAndStandbyCluster) {
  auto keys = three_nodes();
  keys.push_back(kv("sync", R"({"leader":"n0","quorum":0,"sync_standby":"N1"})"));
  EXPECT_EQ(role_of(keys, 1), "sync_standby");
  EXPECT_EQ(role_of(keys, 2), "replica");
  keys.push_back(kv("config", R"({"synchronous_mode":"quorum"})"));
  EXPECT_EQ(role_of(keys, 1), "quorum_standby");
  keys.push_back(kv("config", R"({"standby_cluster":{"host":"h"}})"));
  EXPECT_EQ(role_of(keys, 0), "standby_leader");
}

TEST(ClusterDocument, PauseAndPlannedSwitchoverStandBeforeScope) {
  const auto view = decode_cluster(
      1, {kv("config", R"({"pause":true})"),
          kv("failover", R"({"leader":"a","scheduled_at":"2030-01-01T00:00:00+00:00"})")});
  EXPECT_EQ(
      to_json(cluster_document(view, "s")),
      R"({"members":[],"pause":true,"scheduled_switchover":{"at":"2030-01-01T00:00:00+00:00",)"
      R"("from":"a"},"scope":"s"})");
}

TEST(ClusterDocument, ShowsARestoreOfTheClusterWhileItIsOn) {
  Restore restore{.id = "20261123T040000", .step = RestoreStep::open, .node = "b", .keeper = "a"};
  restore.backup = "F";
  restore.target = {RecoveryTarget::Kind::name, "here"};
  restore.marks.push_back({RestoreStep::open, "b", "2026-11-23T04:00:07+00:00"});
  const auto shown = [&] {
    return to_json(
        cluster_document(decode_cluster(1, {kv("aurum_restore", encode_restore(restore))}), "s"));
  };
  EXPECT_EQ(shown(),
            R"({"members":[],"restore":{"id":"20261123T040000","step":"open","node":"b",)"
            R"("backup":"F","target":"restore point 'here'","since":"2026-11-23T04:00:07+00:00"},)"
            R"("scope":"s"})");
  restore.error = "no room";
  EXPECT_NE(shown().find(R"("error":"no room")"), std::string::npos);
}

PeerStatus peer(const char* text) { return decode_peer_status(*parse_json(text)); }

TEST(PeerStatus, PrimaryStandbyAndOldForm) {
  const auto primary =
      peer(R"({"state":"running","role":"primary","timeline":3,"xlog":{"location":42},)"
           R"("patroni":{"version":"4.1.4","scope":"d","name":"n"}})");
  EXPECT_FALSE(primary.in_recovery);
  EXPECT_TRUE(primary.running);
  EXPECT_EQ(primary.position, Lsn{42});
  EXPECT_EQ(primary.timeline, 3U);
  EXPECT_EQ(primary.version, "4.1.4");

  const auto standby = peer(
      R"({"state":"running","role":"replica","wal":{"received_location":7,"replayed_location":9},)"
      R"("tags":{"nofailover":true},"watchdog_failed":true})");
  EXPECT_TRUE(standby.in_recovery);
  EXPECT_EQ(standby.position, Lsn{9});
  EXPECT_TRUE(standby.watchdog_failed);
  EXPECT_TRUE(standby.tags.find("nofailover")->as_bool());

  EXPECT_FALSE(peer(R"({"role":"master"})").in_recovery);
  EXPECT_TRUE(peer("[]").in_recovery);
  EXPECT_TRUE(peer(R"({"xlog":7,"timeline":"x","patroni":1})").in_recovery);
}

}  // namespace
}  // namespace aurum::model
