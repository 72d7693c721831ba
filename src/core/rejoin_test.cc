#include "core/rejoin.h"

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

model::PgFacts stopped(const std::string& state) {
  model::PgFacts facts;
  facts.data_dir = model::DataDir::ready;
  facts.control = model::ControlData{};
  facts.control->state = state;
  facts.control->timeline = 2;
  facts.control->checkpoint = model::Lsn{100};
  return facts;
}

TEST(Rejoin, the_end_of_a_killed_primary_is_not_known) {
  const auto end = local_end(stopped("in production"));
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->was_primary);
  EXPECT_FALSE(end->clean);
}

// The agent that copied it died before the first start; the next one knows only the files.
TEST(Rejoin, a_copy_that_was_never_started_is_no_killed_primary) {
  model::PgFacts facts = stopped("in production");
  facts.copied = true;
  const auto end = local_end(facts);
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->was_primary);
  model::UpstreamState leader;
  leader.timeline = 2;
  leader.position = model::Lsn{200};
  EXPECT_EQ(compare_histories(*end, leader), Divergence::none);
}

}  // namespace
}  // namespace aurum::core
