// Failsafe mode: who may promise what, and what a leader may do by promises. World checks at every
// event that no two servers write.

#include <algorithm>

#include "sim/testing/failsafe.h"

namespace aurum::sim {
namespace {

class Promises : public FailsafeScenario {
 protected:
  /// The status of its answer. The world goes no further after a question.
  int asked(Node& n, Duration promise, const std::string& leader = "somebody") {
    at_ += milliseconds(1);
    const Request request{7, ConsentRequest{leader, 1'000'000, promise, {}}};
    for (const Effect& effect :
         n.core->step({w().now() + n.clock_ahead + at_, w().wall(), request}))
      if (const auto* reply = std::get_if<Reply>(&effect)) return reply->status;
    return 0;
  }
  /// The old primary's, about.
  Instant clock() { return w().now() + old_primary().clock_ahead; }
  Duration at_ = seconds(60);  ///< its clock may be faster than the world's
};

TEST_F(Promises, are_not_given_by_a_primary) {
  begin_failsafe();
  EXPECT_EQ(asked(replica(), seconds(5)), 200);
  EXPECT_EQ(asked(old_primary(), seconds(5)), 500);
}

TEST_F(Promises, are_not_given_while_the_lock_is_asked_for) {
  begin_failsafe();
  for (Node* n : w().nodes()) n->delay_requests = n == &old_primary() ? 0 : 100;
  w().power_off(old_primary());
  Node* standing = nullptr;
  const auto stands = [&] {
    for (Node* n : w().nodes()) {
      if (n == &old_primary() || !n->core) continue;
      for (const auto& [id, write] : n->core->state().pending)
        if (write.what == "acquire leader") standing = n;
    }
    return standing != nullptr;
  };
  ASSERT_TRUE(w().run_until(stands, seconds(60))) << w().describe();
  EXPECT_EQ(asked(*standing, seconds(5)), 503);
}

TEST_F(Promises, are_no_longer_than_a_restarted_agent_waits) {
  begin_failsafe();
  EXPECT_EQ(asked(replica(0), seconds(30)), 200);
  EXPECT_EQ(asked(replica(1), seconds(31)), 503);
}

TEST_F(Promises, that_end_later_count) {
  begin_failsafe();
  ASSERT_EQ(asked(replica(), seconds(20), old_primary().name), 200);
  const Instant until = replica().core->state().promise.until;
  ASSERT_EQ(asked(replica(), seconds(2), old_primary().name), 200);
  EXPECT_GE(replica().core->state().promise.until, until);
}

TEST_F(Promises, do_not_keep_a_server_leading_that_does_not_prove_that_it_can_write) {
  begin_failsafe();
  w().cut_store(true);
  w().run_for(seconds(20));
  ASSERT_EQ(w().writer(), &old_primary());
  old_primary().pg.hung = old_primary().pg.unkillable = true;
  w().run_for(seconds(25));  // the longest promise here is ttl, 10 s
  EXPECT_LT(old_primary().page.deadline, clock());
  old_primary().pg.hung = old_primary().pg.unkillable = false;
}

TEST_F(Promises, that_last_let_nobody_into_the_map) {
  begin_failsafe(4);
  Node& late = replica(2);
  w().power_off(late);
  ASSERT_TRUE(w().run_until([&] { return mapped() == 3; }, seconds(40))) << w().describe();
  w().cut_store(true);
  w().run_for(seconds(30));
  w().cut_store(false);
  w().power_on(late);
  ASSERT_TRUE(w().run_until([&] { return mapped() == 4; }, seconds(40))) << w().describe();
  EXPECT_GE(clock(), old_primary().core->state().lead.consent.until);
}

}  // namespace
}  // namespace aurum::sim
