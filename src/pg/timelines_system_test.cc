// A promotion keeps to the timeline numbers it was given.
#include "pg/testing/servers.h"
#include "pg/timelines.h"

namespace aurum::pg {
namespace {

using testing::PostgresSystem;

// F40's cousin: two nodes promoted in turn, neither having seen the other's history file, would
// both take the next number. So the core hands out the numbers, and a promotion keeps to them.
TEST_F(PostgresSystem, a_promotion_takes_no_timeline_that_may_be_another_ones) {
  bootstrap();
  make_replica();
  probe_until(two_, [](const auto& f) { return f.replication_state == "streaming"; });
  crash(one_);
  auto promoted = wait(two_.pg.promote(3));
  ASSERT_TRUE(promoted) << promoted.error().text();
  EXPECT_EQ(wait(two_.pg.probe(seconds(2))).timeline, 4U);
  ASSERT_TRUE(wait(two_.pg.configure(model::PgTarget{.primary = true}, dynamic_)));

  // Whoever follows fetches the files of 2 and 3 as well, so they must stay.
  ASSERT_TRUE(wait(one_.pg.crash_recovery()));
  auto rewound = wait(one_.pg.rewind(two_.upstream()));
  ASSERT_TRUE(rewound) << rewound.error().text();
  auto started = wait(one_.pg.start(follow(two_), dynamic_, seconds(30)));
  ASSERT_TRUE(started) << started.error().text();
  const auto streams_on = [&](model::Timeline timeline) {
    const auto facts = probe_until(one_, [&](const auto& f) {
      return f.replication_state == "streaming" && f.timeline == timeline;
    });
    EXPECT_EQ(facts.replication_state, "streaming");
    EXPECT_EQ(facts.timeline, timeline);
  };
  streams_on(4);

  // Numbers reserved for a promotion that came to nothing do not keep it from following the one
  // that did take them.
  ASSERT_TRUE(wait(one_.pg.configure(model::PgTarget{}, dynamic_)));
  ASSERT_TRUE(reserve_timelines(one_.config.pg.data_dir, 4, 6));
  ASSERT_TRUE(wait(two_.pg.stop(model::StopMode::fast, seconds(20), false)));
  ASSERT_TRUE(wait(two_.pg.start(model::PgTarget{}, dynamic_, seconds(30))));
  ASSERT_TRUE(wait(two_.pg.promote(4)));
  ASSERT_TRUE(wait(two_.pg.configure(model::PgTarget{.primary = true}, dynamic_)));
  ASSERT_TRUE(wait(one_.pg.configure(follow(two_), dynamic_)));
  streams_on(5);
  EXPECT_FALSE(fs::exists(history_file(one_.config.pg.data_dir, 6)));
}

}  // namespace
}  // namespace aurum::pg
