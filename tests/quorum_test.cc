// Quorum commit with real servers: a commit waits for one of two standbys, whichever is faster, and
// whoever takes over has every acknowledged row.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class QuorumCommit : public ClusterTest {
  void plan(stack::Plan& p) override { p.sync = "quorum"; }

 protected:
  nlohmann::json key() {
    const auto text = get_key(cluster(), "sync");
    return text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json::object();
  }
  void wait_for_voters(std::size_t count) {
    wait_for("a key with all voters", [&] {
      const auto now = key();
      const auto names = now.value("sync_standby", "");
      const auto voters =
          static_cast<std::size_t>(std::count(names.begin(), names.end(), ',')) + !names.empty();
      return voters == count && now.value("quorum", -1) == static_cast<int>(count) - 1;
    });
  }
  std::string answer(const std::string& query) { return need(sql(cluster(), leader(), query)); }
};

TEST_F(QuorumCommit, waits_for_any_one_and_a_killed_leader_loses_nothing) {
  wait_for_voters(2);
  EXPECT_EQ(answer("SELECT string_agg(DISTINCT sync_state, ' ') FROM pg_stat_replication"),
            "quorum");
  EXPECT_EQ(answer("SHOW synchronous_standby_names").substr(0, 7), "ANY 1 (");
  const std::size_t old = leader();
  ASSERT_TRUE(cluster().kill(old, Part::node));
  other_leader(old);
  wait_for_writes();
  need(cluster().start_node(old));
  settle_and_judge();
}

TEST_F(QuorumCommit, a_dead_standby_stops_no_write_and_the_mode_changes_under_load) {
  wait_for_voters(2);
  const std::size_t dead = replica();
  ASSERT_TRUE(cluster().kill(dead, Part::node));
  wait_for_writes();
  wait_for_voters(1);
  need(cluster().start_node(dead));
  wait_for_voters(2);
  const auto set_mode = [this](const std::string& value) {
    ask(leader(), "PATCH", "/config", R"({"synchronous_mode": )" + value + "}", 200);
  };
  set_mode("true");
  wait_for("one that is waited for", [&] {
    return answer("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1" &&
           key().value("quorum", -1) == 0;
  });
  set_mode("\"quorum\"");
  wait_for_voters(2);
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
