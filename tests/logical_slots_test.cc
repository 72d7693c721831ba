// A permanent logical slot is on every member, and its consumer goes on after a failover.
#include <memory>
#include <set>
#include <string>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class LogicalSlots : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override {
    plan.overrides = R"({"bootstrap": {"dcs": {
        "slots": {"cdc": {"type": "logical", "database": "postgres", "plugin": "test_decoding"}},
        "postgresql": {"parameters": {"wal_level": "logical"}}}}})";
  }
  bool writes() const override { return false; }
  /// Takes all there is off the slot, as a consumer that confirms it, and notes the rows.
  void consume(std::size_t node) {
    std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectdb((cluster().conninfo(node) + " connect_timeout=5").c_str()), PQfinish);
    std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection.get(), "SELECT data FROM pg_logical_slot_get_changes('cdc', NULL, NULL)"),
        PQclear);
    ASSERT_EQ(PQresultStatus(result.get()), PGRES_TUPLES_OK) << PQerrorMessage(connection.get());
    for (int i = 0; i < PQntuples(result.get()); ++i) {
      const std::string row = PQgetvalue(result.get(), i, 0);
      if (const auto at = row.find("n[integer]:"); at != std::string::npos)
        seen_.insert(std::stoi(row.substr(at + 11)));
    }
  }
  void insert(std::size_t node, int from, int to) {
    need(sql(cluster(), node,
             fmt::format("INSERT INTO changes SELECT generate_series({}, {})", from, to)));
  }
  bool is_past(std::size_t node, const std::string& lsn) {
    return sql(cluster(), node,
               fmt::format("SELECT confirmed_flush_lsn >= '{}' FROM pg_replication_slots WHERE "
                           "slot_name = 'cdc'",
                           lsn))
               .value_or("") == "t";
  }
  bool all_past(const std::string& lsn) {
    for (std::size_t i = 0; i < 3; ++i)
      if (!is_past(i, lsn)) return false;
    return true;
  }
  /// Its consumer goes on meanwhile: a copy comes when it needs no WAL from before the replica.
  void wait_for_slots() {
    const std::size_t lead = leader();
    wait_for("the slot on every member", [&] {
      if (!position(lead).empty()) go_on(lead);
      for (std::size_t i = 0; i < 3; ++i)
        if (position(i).empty()) return false;
      return true;
    });
  }
  /// A checkpoint tells the transactions that run, from which decoding can begin anew.
  void go_on(std::size_t lead) {
    need(sql(cluster(), lead, "CHECKPOINT"));
    consume(lead);
  }
  std::string position(std::size_t node) {
    return sql(cluster(), node,
               "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'cdc'")
        .value_or("");
  }
  bool has_seen(int last) {
    return seen_.size() == static_cast<std::size_t>(last) && *seen_.rbegin() == last;
  }
  std::set<int> seen_;
};

TEST_F(LogicalSlots, are_copied_to_replicas_moved_on_and_lose_nothing_at_a_failover) {
  const std::size_t lead = leader();
  wait_for_slots();
  need(sql(cluster(), lead, "CREATE TABLE changes(n int)"));
  insert(lead, 1, 100);
  consume(lead);
  EXPECT_TRUE(has_seen(100)) << seen_.size();
  const std::string there = position(lead);
  wait_for("replicas that move it on", [&] { return all_past(there); });
  insert(lead, 101, 150);
  wait_for("the rows on the replicas", [&] {
    for (std::size_t i = 0; i < 3; ++i)
      if (sql(cluster(), i, "SELECT count(*) FROM changes").value_or("") != "150") return false;
    return true;
  });

  ASSERT_TRUE(cluster().kill(lead, Part::node));
  const std::size_t next = other_leader(lead);
  insert(next, 151, 160);
  consume(next);
  EXPECT_TRUE(has_seen(160)) << seen_.size() << " rows";

  need(cluster().start_node(lead));
  wait_healthy();
  wait_for("the slot on the member that is back", [&] { return !position(lead).empty(); });
}

using LogicalSlotsLater = LogicalSlots;

// Its copy could never move on: what it has to decode first is not on the replica.
TEST_F(LogicalSlotsLater, are_copied_to_a_later_replica_once_their_consumer_is_behind_its_begin) {
  const std::size_t lead = leader();
  const std::size_t late = (lead + 1) % 3;
  wait_for_slots();
  need(sql(cluster(), lead, "CREATE TABLE changes(n int)"));
  insert(lead, 1, 10);
  need(cluster().stop_node(late));
  need(cluster().wipe_node(late));
  need(sql(cluster(), lead, "SELECT pg_switch_wal()"));
  insert(lead, 11, 20);
  const std::size_t begin = log_end(late);
  need(cluster().start_node(late));
  wait_healthy();
  wait_for("the slot on the late one", [&] {
    go_on(lead);
    return !position(late).empty();
  });
  EXPECT_TRUE(has_seen(20)) << seen_.size();
  insert(lead, 21, 30);
  go_on(lead);
  const std::string there = position(lead);
  wait_for("replicas that move it on", [&] { return all_past(there); });
  EXPECT_EQ(log_since(late, begin).find("has already been removed"), std::string::npos);
}

/// PATRONI_COMPAT §8.7: the leader's question carries the positions that the store would.
class LogicalSlotsWithoutStore : public LogicalSlots {
 protected:
  void plan(stack::Plan& plan) override {
    LogicalSlots::plan(plan);
    plan.failsafe = true;
  }
};

TEST_F(LogicalSlotsWithoutStore, move_on_while_the_leader_leads_in_failsafe_mode) {
  const std::size_t lead = leader();
  wait_for_slots();
  wait_for("a failsafe map", [&] { return !get_key(cluster(), "failsafe").value_or("").empty(); });
  need(sql(cluster(), lead, "CREATE TABLE changes(n int)"));
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster().kill_etcd(i));
  wait_for("failsafe mode", [&] {
    const auto reply = cluster().rest(lead, "GET", "/patroni");
    return reply && reply->body.find("\"failsafe_mode_is_active\": true") != std::string::npos;
  });
  insert(lead, 1, 100);
  consume(lead);
  EXPECT_TRUE(has_seen(100)) << seen_.size();
  const std::string there = position(lead);
  wait_for("replicas that move it on", [&] { return all_past(there); });
  EXPECT_EQ(leader(), lead);
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  wait_healthy();
}

/// PostgreSQL 17's own way (manual, "Logical Replication Failover"): its slots are none of ours.
class FailoverSlots : public LogicalSlots {
 protected:
  void plan(stack::Plan& plan) override {
    plan.overrides = R"({"bootstrap": {"dcs": {"postgresql": {"parameters": {"wal_level": "logical",
        "hot_standby_feedback": "on", "sync_replication_slots": "on"}}}}})";
  }
  std::string failover_slot(std::size_t node) {
    return sql(cluster(), node,
               "SELECT concat_ws(' ', failover::text, synced::text, temporary::text) FROM "
               "pg_replication_slots WHERE slot_name = 'cdc'")
        .value_or("");
  }
};

TEST_F(FailoverSlots, of_postgres_17_are_left_alone_and_are_there_after_a_switchover) {
  const std::size_t lead = leader();
  if (std::stoi(need(sql(cluster(), lead, "SHOW server_version_num"))) < 170000)
    GTEST_SKIP() << "PostgreSQL before 17 has none";
  need(sql(cluster(), lead, "CREATE TABLE changes(n int)"));
  need(
      sql(cluster(), lead,
          "SELECT pg_create_logical_replication_slot('cdc', 'test_decoding', false, false, true)"));
  // A copy is for good only when the original's catalog xmin has come past its own.
  int rows = 0;
  wait_for("the slot on the standbys", [&] {
    ++rows;
    insert(lead, rows, rows);
    consume(lead);
    for (std::size_t i = 0; i < 3; ++i)
      if (i != lead && failover_slot(i) != "true true false") return false;
    return true;
  });
  need(cluster().switchover());
  const std::size_t next = other_leader(lead);
  wait_healthy();
  insert(next, rows + 1, rows + 10);
  consume(next);
  EXPECT_TRUE(has_seen(rows + 10)) << seen_.size();
  EXPECT_EQ(failover_slot(lead), "true false false") << "as PostgreSQL left it";
}

}  // namespace
}  // namespace aurum::tests
