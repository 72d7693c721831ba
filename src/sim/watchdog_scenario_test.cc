// The watchdog as the core knows it: who may lead with `mode: required`, and what it tells.

#include "core/watchdog.h"
#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

TEST(WatchdogTimes, a_machine_that_stands_still_is_reset_before_its_lease_ends) {
  model::WatchdogConfig config;
  EXPECT_EQ(watchdog_timeout(config, seconds(30)), seconds(25));
  EXPECT_EQ(watchdog_timeout(config, seconds(20)), seconds(15));
  EXPECT_EQ(watchdog_timeout(config, seconds(5)), seconds(2)) << "half, where the margin is all";
  config.safety_margin_s = -1;
  EXPECT_EQ(watchdog_timeout(config, seconds(30)), seconds(15));
  for (int margin : {-1, 0, 5, 1000}) {
    config.safety_margin_s = margin;
    for (int ttl = 2; ttl <= 300; ++ttl) {
      const Duration timeout = watchdog_timeout(config, seconds(ttl));
      const Duration deadline = valid_for(seconds(ttl));
      const Duration last_fed = deadline - watchdog_tail(timeout, seconds(ttl));
      EXPECT_LT(last_fed + timeout, Duration(seconds(ttl))) << "ttl " << ttl;
      EXPECT_GT(last_fed + timeout, deadline) << "the guard, if it works, is first; ttl " << ttl;
    }
  }
}

class WatchdogMode : public Scenario {
 protected:
  void begin_with(const std::string& mode, std::initializer_list<bool> broken) {
    own_ = std::make_unique<World>(WorldOptions{.nodes = 3, .seed = 1});
    auto at = broken.begin();
    for (Node* n : own_->nodes()) {
      n->config.watchdog.mode = mode;
      n->watchdog_broken = *at++;
      own_->start_agent(*n);
    }
  }
  void TearDown() override {
    if (own_ && !own_->violations.empty())
      ADD_FAILURE() << own_->violations.front() << "\n" << own_->describe();
  }
  World& w() { return *own_; }

 private:
  std::unique_ptr<World> own_;
};

TEST_F(WatchdogMode, required_and_there_is_armed_before_anybody_writes) {
  begin_with("required", {false, false, false});
  ASSERT_TRUE(w().run_until_healthy()) << w().describe();
  Node& first = *w().writer();
  EXPECT_TRUE(first.watchdog_armed);
  for (Node* n : w().nodes()) n->watchdog_takes = seconds(2);
  w().power_off(first);
  ASSERT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)));
  EXPECT_TRUE(w().writer()->watchdog_armed);
  w().kill_server(*w().writer());
  w().power_on(first);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(WatchdogMode, required_and_not_there_never_leads) {
  begin_with("required", {true, true, false});
  ASSERT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_EQ(w().writer()->name, "n3");
  w().power_off(w().node("n3"));
  w().run_for(seconds(60));
  EXPECT_EQ(w().writer(), nullptr) << w().describe();
  EXPECT_EQ(w().leader(), "");
  w().node("n1").watchdog_broken = false;
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)))
      << w().describe();
  EXPECT_EQ(w().writer()->name, "n1");
}

TEST_F(WatchdogMode, required_nowhere_there_founds_nothing) {
  begin_with("required", {true, true, true});
  w().run_for(seconds(60));
  EXPECT_EQ(w().initdbs, 0) << w().describe();
}

TEST_F(WatchdogMode, required_that_fails_at_the_promotion_gives_the_lock_to_others) {
  begin_with("required", {false, false, false});
  ASSERT_TRUE(w().run_until_healthy());
  w().run_for(seconds(3));
  Node& first = *w().writer();
  for (Node* n : w().nodes()) n->watchdog_broken = n != &first && n->name != "n3";
  if (first.name == "n3") w().node("n1").watchdog_broken = false;
  w().power_off(first);
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(60)))
      << w().describe();
  EXPECT_FALSE(w().writer()->watchdog_broken);
}

TEST_F(WatchdogMode, automatic_leads_with_or_without) {
  begin_with("automatic", {true, true, true});
  ASSERT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_TRUE(w().writer()->said("watchdog"));
  w().kill_server(*w().writer());
  EXPECT_TRUE(w().run_until_healthy());
}

}  // namespace
}  // namespace aurum::sim
