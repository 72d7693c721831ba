#include "api/health.h"

#include <gtest/gtest.h>

#include "api/testing/fake_node.h"

namespace aurum::api {
namespace {

using testing::FakeNode;
using testing::PgState;
using testing::Role;

int check(const FakeNode& node, std::string_view target) {
  net::HttpRequest r;
  r.target = target;
  return health_status(node.view(), r.path(), net::parse_query(r.query()));
}

struct Row {
  const char* target;
  int leader, replica, sync, quorum, standby_leader;
};

// Each path on five kinds of node.
constexpr Row kRows[] = {
    {"/", 200, 503, 503, 503, 503},
    {"/primary", 200, 503, 503, 503, 503},
    {"/master", 200, 503, 503, 503, 503},
    {"/read-write", 200, 503, 503, 503, 503},
    {"/leader", 200, 503, 503, 503, 200},
    {"/standby_leader", 503, 503, 503, 503, 200},
    {"/standby-leader", 503, 503, 503, 503, 200},
    {"/replica", 503, 200, 200, 200, 503},
    {"/xreplicax", 503, 200, 200, 200, 503},
    {"/read-only", 200, 200, 200, 200, 200},
    {"/health", 200, 200, 200, 200, 200},
    {"/sync", 503, 503, 200, 503, 503},
    {"/synchronous", 503, 503, 200, 503, 503},
    {"/quorum", 503, 503, 503, 200, 503},
    {"/async", 503, 200, 503, 503, 503},
    {"/asynchronous", 503, 200, 503, 503, 503},
    {"/read-only-sync", 200, 503, 200, 503, 200},
    {"/read-only-synchronous", 200, 503, 200, 503, 200},
    {"/read-only-quorum", 200, 503, 503, 200, 200},
    {"/sync/x", 503, 503, 503, 503, 503},
    {"/async/", 503, 503, 503, 503, 503},
    {"/patroni", 503, 503, 503, 503, 503},
    {"/liveness", 503, 503, 503, 503, 503},
    {"/nosuch", 503, 503, 503, 503, 503},
};

void expect_column(const FakeNode& node, int Row::* column, const char* kind) {
  for (const auto& row : kRows)
    EXPECT_EQ(check(node, row.target), row.*column) << kind << " " << row.target;
}

FakeNode replica() {
  FakeNode node;
  node.follow();
  return node;
}

TEST(Health, EachPathOnEachKindOfNode) {
  FakeNode leader;
  expect_column(leader, &Row::leader, "leader");
  expect_column(replica(), &Row::replica, "replica");

  FakeNode sync = replica();
  sync.cluster.sync = {.leader = "node-1", .members = {"node-0"}, .mod_revision = 1};
  sync.dynamic.synchronous_mode = model::SyncMode::on;
  expect_column(sync, &Row::sync, "sync");
  sync.dynamic.synchronous_mode = model::SyncMode::quorum;
  expect_column(sync, &Row::quorum, "quorum");

  FakeNode standby = replica();
  standby.dynamic.standby_cluster = model::StandbyCluster{.host = "far"};
  standby.view_.role = Role::standby_leader;
  standby.view_.is_leader = true;
  expect_column(standby, &Row::standby_leader, "standby leader");
}

TEST(Health, APrimaryThatIsDownOrPromotingTakesNoWrites) {
  FakeNode node;
  node.view_.state = PgState::restarting;
  EXPECT_EQ(check(node, "/primary"), 503);
  EXPECT_EQ(check(node, "/leader"), 200);
  node.lead();
  node.view_.facts.in_recovery = true;
  EXPECT_EQ(check(node, "/primary"), 503);
}

TEST(Health, LagCountsFromTheFurthestKnownEnd) {
  FakeNode node = replica();  // 100 bytes behind
  EXPECT_EQ(check(node, "/replica?lag=100"), 200);
  EXPECT_EQ(check(node, "/replica?lag=99"), 503);
  EXPECT_EQ(check(node, "/replica?lag=1kB"), 200);
  EXPECT_EQ(check(node, "/replica?lag=nonsense"), 200);
  EXPECT_EQ(check(node, "/read-only?lag=99"), 503);
  EXPECT_EQ(check(node, "/async?lag=99"), 503);
  node.view_.facts.latest_end_lsn = model::Lsn{5000};
  EXPECT_EQ(check(node, "/replica?lag=100"), 503);
  EXPECT_EQ(check(node, "/replica?lag=1MB"), 200);
}

TEST(Health, TagsFilterAndNoloadbalanceHides) {
  FakeNode node = replica();
  node.config.tags = model::parse_json(R"({"a":"Xy","b":true,"c":1.4,"d":7})").value();
  EXPECT_EQ(check(node, "/replica?tag_a=Xy&tag_b=true&tag_c=1.4&tag_d=7"), 200);
  EXPECT_EQ(check(node, "/replica?tag_a=xy"), 503);
  EXPECT_EQ(check(node, "/replica?tag_a=Xy&tag_b=false"), 503);
  EXPECT_EQ(check(node, "/replica?tag_missing=1"), 503);
  EXPECT_EQ(check(node, "/health?tag_a=no"), 503);
  node.view_.effective_tags = model::parse_json(R"({"noloadbalance":true})").value();
  EXPECT_EQ(check(node, "/replica"), 503);
  EXPECT_EQ(check(node, "/health"), 200);
  FakeNode leader;
  EXPECT_EQ(check(leader, "/primary?tag_a=no"), 200);  // ignored
}

TEST(Health, AnOldViewAndPauseFollowTheRole) {
  FakeNode node;
  node.view_.is_leader = false;
  node.view_.dcs_fresh = false;
  EXPECT_EQ(check(node, "/primary"), 503);
  node.view_.paused = true;
  EXPECT_EQ(check(node, "/primary"), 200);
  EXPECT_EQ(check(node, "/leader"), 200);
  FakeNode old = replica();
  old.view_.dcs_fresh = false;
  EXPECT_EQ(check(old, "/replica"), 200);
  EXPECT_EQ(check(old, "/async"), 503);
  EXPECT_EQ(check(old, "/read-only-sync"), 503);
}

TEST(Health, ReplicasThatDoNotRunAreOut) {
  FakeNode node = replica();
  node.view_.state = PgState::starting;
  EXPECT_EQ(check(node, "/replica"), 503);
  EXPECT_EQ(check(node, "/health"), 503);
  node.follow();
  node.view_.facts.accepting = false;  // the query failed
  EXPECT_EQ(check(node, "/health"), 503);
}

TEST(Health, Liveness) {
  FakeNode node;
  EXPECT_EQ(liveness_status(node.view()), 200);
  node.view_.loop_alive = false;
  EXPECT_EQ(liveness_status(node.view()), 503);
  node.view_.paused = true;
  EXPECT_EQ(liveness_status(node.view()), 200);
}

int ready(const FakeNode& node, std::string_view query) {
  return readiness_status(node.view(), net::parse_query(query));
}

TEST(Health, Readiness) {
  FakeNode leader;
  EXPECT_EQ(ready(leader, "lag=0"), 200);
  FakeNode node = replica();
  EXPECT_EQ(ready(node, ""), 200);
  EXPECT_EQ(ready(node, "lag=99"), 503);
  EXPECT_EQ(ready(node, "lag=100&mode=apply"), 200);
  EXPECT_EQ(ready(node, "lag=50&mode=write"), 200);
  EXPECT_EQ(ready(node, "lag=49&mode=write"), 503);
  node.dynamic.maximum_lag_on_failover = 10;
  EXPECT_EQ(ready(node, ""), 503);
  node.cluster.status.optime.reset();
  EXPECT_EQ(ready(node, ""), 503);
  node.view_.failsafe_active = true;
  EXPECT_EQ(ready(node, ""), 200);
  node.view_.facts.replication_state = "in archive recovery";
  EXPECT_EQ(ready(node, ""), 503);
}

}  // namespace
}  // namespace aurum::api
