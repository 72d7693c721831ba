// A former primary that nobody could kill in time acknowledges nothing: the commit fence alone
// holds.
#include <csignal>

#include "runtime/clock.h"
#include "support/cluster_test.h"
#include "support/insistent_client.h"

namespace aurum::tests {
namespace {

// fence/lease_page_layout.h
constexpr std::size_t kStateAt = 12;
constexpr char kMaintenance = 2;

class CommitFence : public ClusterTest {
 protected:
  using Clients = std::vector<std::unique_ptr<InsistentClient>>;

  /// What was on its way when the lease ended is withheld, whatever comes later is refused.
  void wait_for_silence(std::size_t node, const Clients& clients) {
    wait_for("a refusal, or no answer, for each client", [&] {
      const auto withheld =
          sql(cluster(), node,
              "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO insistent%' AND "
              "wait_event_type = 'Extension' AND state_change < now() - interval '1 second'")
              .value_or("0");
      std::size_t count = std::stoul(withheld);
      for (const auto& client : clients) count += client->refusals("57P03") > 0 ? 1 : 0;
      return count >= clients.size();
    });
  }
  bool loaded(std::size_t node) {
    return sql(cluster(), node, "SHOW shared_preload_libraries")
        .value_or("")
        .contains("aurum_fence");
  }
};

class CommitFenceInSyncMode : public CommitFence {
  void plan(stack::Plan& p) override { p.sync = "on"; }
};

// As a virtual machine that was paused: nothing of the node ran, then all of it does. The guard,
// which would kill the server at once, and the agent come to last, so what is seen is the fence's.
TEST_F(CommitFence, a_primary_frozen_with_its_guard_acknowledges_nothing_when_it_thaws) {
  const std::size_t old = leader();
  ASSERT_TRUE(loaded(old)) << "aurum_fence was not built for this PostgreSQL";
  need(InsistentClient::make_table(cluster().conninfo(old)));
  Clients clients;
  for (int i = 0; i < 4; ++i)
    clients.push_back(std::make_unique<InsistentClient>(cluster().conninfo(old)));
  for (const auto& client : clients)
    wait_for("a row of each client", [&] { return client->last_acked().has_value(); });

  ASSERT_TRUE(cluster().freeze(old, Part::node));
  other_leader(old);
  wait_for_writes();
  const Instant another_leads = runtime::now();
  ASSERT_TRUE(cluster().thaw(old, Part::postgres));
  wait_for_silence(old, clients);
  // Neither does a new connection help.
  const auto fresh = sql(cluster().conninfo(old) + " options='-c aurum.fence_wait=0'",
                         "INSERT INTO insistent DEFAULT VALUES");
  ASSERT_FALSE(fresh);
  EXPECT_NE(fresh.error().message.find("commit refused"), std::string::npos)
      << fresh.error().text();
  EXPECT_TRUE(cluster().postmaster(old)) << "the guard was to sleep";

  ASSERT_TRUE(cluster().thaw(old, Part::node));
  wait_for("the end of the old server", [&] {
    return file_text(cluster().log_of(name(old))).find("killed PostgreSQL") != std::string::npos ||
           sql(cluster(), old, "SELECT pg_is_in_recovery()").value_or("") == "t";
  });
  for (const auto& client : clients) EXPECT_LT(*client->last_acked(), another_leads);
  clients.clear();
  const auto verdict = settle_and_judge(Loss::before_takeover);
  EXPECT_GE(verdict.reigns.size(), 2U);
  EXPECT_NE(leader(), old);
}

// Nobody is left who could end the server: it runs on, and acknowledges nothing.
TEST_F(CommitFence,
       a_primary_whose_agent_and_guard_are_frozen_acknowledges_nothing_past_its_lease) {
  const std::size_t old = leader();
  ASSERT_TRUE(loaded(old)) << "aurum_fence was not built for this PostgreSQL";
  need(InsistentClient::make_table(cluster().conninfo(old)));
  Clients clients;
  clients.push_back(std::make_unique<InsistentClient>(cluster().conninfo(old)));
  wait_for("a row", [&] { return clients[0]->last_acked().has_value(); });
  const auto server = cluster().postmaster(old);
  const auto guard = guard_of(cluster(), old);
  ASSERT_TRUE(guard);
  ASSERT_TRUE(stack::send_signal(*guard, SIGSTOP));
  ASSERT_TRUE(cluster().freeze(old, Part::agent));
  other_leader(old);
  const Instant another_leads = runtime::now();
  wait_for_writes();
  wait_for_silence(old, clients);
  EXPECT_EQ(cluster().postmaster(old), server) << "the guard was to sleep";
  EXPECT_LT(*clients[0]->last_acked(), another_leads);
  ASSERT_TRUE(stack::send_signal(*guard, SIGCONT));
  wait_for("the end of the old server", [&] { return cluster().postmaster(old) != server; });
  ASSERT_TRUE(cluster().thaw(old, Part::agent));
  settle_and_judge(Loss::before_takeover);
  EXPECT_NE(leader(), old);
}

// The promoted standby was the one whose answer the commit waited for.
TEST_F(CommitFenceInSyncMode,
       a_commit_that_waits_for_the_standby_that_took_over_is_not_acknowledged) {
  const std::size_t old = leader();
  ASSERT_TRUE(loaded(old)) << "aurum_fence was not built for this PostgreSQL";
  need(InsistentClient::make_table(cluster().conninfo(old)));
  InsistentClient client(cluster().conninfo(old));
  wait_for("a row", [&] { return client.last_acked().has_value(); });
  ASSERT_TRUE(cluster().freeze(old, Part::node));
  other_leader(old);
  wait_for_writes();
  const Instant another_leads = runtime::now();
  ASSERT_TRUE(cluster().thaw(old, Part::node));
  const auto verdict = settle_and_judge();
  EXPECT_LT(*client.last_acked(), another_leads);
  EXPECT_GE(verdict.reigns.size(), 2U);
}

TEST_F(CommitFence, a_pause_lets_a_primary_write_without_its_agent) {
  const std::size_t lead = leader();
  ASSERT_TRUE(loaded(lead)) << "aurum_fence was not built for this PostgreSQL";
  ask(lead, "PATCH", "/config", R"({"pause": true})", 200);
  const auto page = need(sql(cluster(), lead, "SHOW aurum.lease_page"));
  wait_for("the pause in the lease page", [&] {
    const std::string bytes = file_text(page);
    return bytes.size() > kStateAt && bytes[kStateAt] == kMaintenance;
  });
  ASSERT_TRUE(cluster().kill(lead, Part::agent));
  // Longer than any lease of this cluster, and by then the key is gone.
  wait_for("the end of the lease", [&] {
    const auto key = get_key(cluster(), "leader");
    return !key && key.error().code == Code::not_found;
  });
  wait_for_writes();
  need(cluster().start_node(lead));
  wait_for("the leader", [&] { return cluster().leader() == lead; });
  ask(lead, "PATCH", "/config", R"({"pause": null})", 200);
  const auto verdict = settle_and_judge();
  EXPECT_EQ(verdict.reigns.size(), 1U);
}

TEST_F(CommitFence, what_the_user_preloads_is_kept_and_a_new_agent_restarts_nothing) {
  const std::size_t node = leader();
  ASSERT_TRUE(loaded(node)) << "aurum_fence was not built for this PostgreSQL";
  const auto server = cluster().postmaster(node);
  ask(node, "PATCH", "/config",
      R"({"postgresql": {"parameters": {"shared_preload_libraries": "auto_explain"}}})", 200);
  wait_for("a pending restart", [&] {
    return ask(node, "GET", "/patroni", "", 200).find("aurum_fence.so, auto_explain") !=
           std::string::npos;
  });
  ask(node, "POST", "/restart", "{}", 200);
  const auto libraries = sql(cluster(), node, "SHOW shared_preload_libraries").value_or("");
  EXPECT_TRUE(libraries.contains("aurum_fence.so, auto_explain")) << libraries;
  EXPECT_NE(cluster().postmaster(node), server);
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
