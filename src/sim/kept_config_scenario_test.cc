// The dynamic configuration that a data directory kept, where the store has none.

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

class KeptConfigScenario : public Scenario {
 protected:
  static model::Value kept() {
    return dcs(
        {{"ttl", 20}, {"loop_wait", 7}, {"retry_timeout", 3}, {"maximum_lag_on_failover", 5}});
  }
  /// All agents stop; the store may forget everything; the first one comes back and is told.
  void restart_with_kept_config(bool store_forgets) {
    begin({.nodes = 1});
    Node& n = old_primary();
    w().kill_agent(n);
    w().kill_server(n);
    w().run_for(seconds(15));
    if (store_forgets) {
      for (const char* key : {"config", "initialize", "history", "status"})
        w().store.txn({.when = {}, .then = {{.what = model::Write::What::erase, .key = key}}});
    }
    w().start_agent(n);
    w().deliver(n, KeptConfig{kept()});
    ASSERT_TRUE(w().run_until_healthy()) << w().describe();
    w().run_for(seconds(5));
  }
};

TEST_F(KeptConfigScenario, it_is_used_and_given_to_a_store_that_lost_its_own) {
  restart_with_kept_config(true);
  EXPECT_EQ(w().store.view().config, kept()) << model::to_json(w().store.view().config);
  EXPECT_EQ(old_primary().core->state().timing.ttl, seconds(20));
}

TEST_F(KeptConfigScenario, what_the_store_has_goes_first) {
  restart_with_kept_config(false);
  EXPECT_EQ(old_primary().core->state().timing.ttl, seconds(10));
  EXPECT_NE(w().store.view().config, kept());
}

// As a late answer of the disk would be.
TEST_F(KeptConfigScenario, it_is_nothing_once_the_store_was_seen) {
  begin({.nodes = 1});
  w().deliver(old_primary(), KeptConfig{kept()});
  w().run_for(seconds(5));
  EXPECT_EQ(old_primary().core->state().timing.ttl, seconds(10));
}

}  // namespace
}  // namespace aurum::sim
