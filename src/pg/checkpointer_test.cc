// A stuck checkpointer is told from one that has much to do.
#include "pg/checkpointer.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/clock.h"

namespace aurum::pg {
namespace {

using ::testing::HasSubstr;

constexpr int kPostmaster = 100, kCheckpointer = 107;
constexpr Duration kLimit = seconds(5), kStep = milliseconds(500);

class Checkpointer : public ::testing::Test {
 protected:
  Checkpointer() { watch_.found(kCheckpointer); }
  /// It is looked at every half second for so long; whether it was ever found stuck.
  bool stuck(Duration length, char state, std::uint64_t switches_each_look = 0) {
    bool found = false;
    for (const Instant end = now_ + length; now_ < end; now_ = now_ + kStep) {
      switches_ += switches_each_look;
      watch_.observe(Activity{state, kPostmaster, switches_}, kPostmaster, now_);
      found = found || !watch_.judge(kLimit);
    }
    return found;
  }

  CheckpointerWatch watch_;
  Instant now_ = Instant{} + seconds(1000);
  std::uint64_t switches_ = 17;
};

TEST_F(Checkpointer, that_is_stopped_is_stuck_after_the_limit) {
  EXPECT_FALSE(stuck(kLimit, 'T'));
  EXPECT_TRUE(stuck(kStep, 'T'));
  EXPECT_THAT(watch_.judge(kLimit).error().text(), HasSubstr("process 107, is stopped"));
  EXPECT_EQ(watch_.judge(kLimit).error().code, Code::timeout);
  EXPECT_FALSE(stuck(kStep, 'S')) << "it goes on";
  EXPECT_FALSE(stuck(kLimit, 't')) << "a debugger's look";
}

TEST_F(Checkpointer, that_waits_for_its_disk_is_stuck_when_it_has_not_run_for_long) {
  EXPECT_FALSE(stuck(CheckpointerWatch::kDiskPatience, 'D'));
  EXPECT_TRUE(stuck(kStep, 'D'));
  EXPECT_THAT(watch_.judge(kLimit).error().text(), HasSubstr("waits in the kernel"));
}

// Whatever a checkpoint does for hours, it is no stuck one.
TEST_F(Checkpointer, that_works_is_never_stuck) {
  EXPECT_FALSE(stuck(seconds(7200), 'S')) << "it spreads its writes, or has nothing to do";
  EXPECT_FALSE(stuck(seconds(7200), 'R'));
  EXPECT_FALSE(stuck(seconds(7200), 'D', 1)) << "one piece after the other is written";
  for (int i = 0; i < 1000; ++i)
    EXPECT_FALSE(stuck(kStep, "DRDSD"[i % 5], i % 7 == 0 ? 1 : 0)) << "whatever it is seen doing";
}

TEST_F(Checkpointer, that_is_gone_is_looked_for_again) {
  EXPECT_TRUE(stuck(2 * kLimit, 'T'));
  watch_.observe(std::nullopt, kPostmaster, now_);
  EXPECT_EQ(watch_.pid(), 0);
  EXPECT_TRUE(watch_.judge(kLimit));
  watch_.found(kCheckpointer);
  EXPECT_FALSE(stuck(kLimit, 'T')) << "another one's time does not count";
  watch_.observe(Activity{'T', kPostmaster + 1, 17}, kPostmaster, now_);
  EXPECT_EQ(watch_.pid(), 0) << "its number was given to somebody else";
}

TEST(Activity, is_read_from_proc) {
  const auto own = read_activity(::getpid());
  ASSERT_TRUE(own);
  EXPECT_EQ(own->parent, ::getppid());
  EXPECT_EQ(own->state, 'R');
  const auto before = own->switches;
  ::usleep(1000);
  EXPECT_GT(read_activity(::getpid())->switches, before);
  EXPECT_FALSE(read_activity(-1));
  EXPECT_FALSE(parse_activity("Name:\tx\nState:\tS (sleeping)\n"));
}

}  // namespace
}  // namespace aurum::pg
