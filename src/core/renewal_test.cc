#include "core/renewal.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

using What = model::Compare::What;

const Instant kKept = Instant{} + seconds(100), kSent = Instant{} + seconds(103);

LockHeld lock(std::optional<BeatRate> beat = {}) { return {"n1", 77, 5, seconds(9), beat}; }

bool compares(const RenewalCheck& check, What what) {
  return std::ranges::any_of(
      check.txn.when, [&](const model::Compare& c) { return c.key == "leader" && c.what == what; });
}

TEST(Renewal, says_nothing_of_a_lock_of_another_name_or_lease) {
  const RenewalCheck check = renewal_check(lock(), kKept, kSent);
  ASSERT_TRUE(compares(check, What::value) && compares(check, What::lease));
  EXPECT_EQ(check.txn.when[0].text, "n1");
  EXPECT_EQ(check.txn.when[1].number, 5);
  EXPECT_TRUE(check.txn.then.empty());
}

TEST(Renewal, allows_what_the_lease_does_from_when_its_keepalive_was_sent) {
  EXPECT_EQ(renewal_check(lock(), kKept, kSent).until, kKept + seconds(9));
}

TEST(Renewal, by_a_heartbeat_fails_where_the_lock_is_of_another_epoch) {
  const RenewalCheck check = renewal_check(
      lock(BeatRate{milliseconds(500), milliseconds(2500), seconds(3)}), kKept, kSent);
  ASSERT_TRUE(compares(check, What::mod_revision));
  EXPECT_EQ(check.txn.when.back().number, 77);
  ASSERT_EQ(check.txn.then.size(), 1u);
  EXPECT_EQ(check.txn.then[0].key, model::kHeartbeatKey);
}

TEST(Renewal, by_a_heartbeat_allows_what_it_and_the_lease_both_do) {
  struct Row {
    Instant lease_kept;
    Duration fence;
    Instant until;
  };
  const Row rows[] = {
      {kKept, milliseconds(2500), kSent + milliseconds(2500)},
      {kKept, seconds(6), kKept + seconds(9)},
      {kKept, seconds(30), kKept + seconds(9)},
      {Instant{}, milliseconds(2500), Instant{} + seconds(9)},  // no keepalive was answered yet
  };
  for (const Row& row : rows) {
    const BeatRate beat{milliseconds(500), row.fence, row.fence + milliseconds(500)};
    EXPECT_EQ(renewal_check(lock(beat), row.lease_kept, kSent).until, row.until);
  }
}

}  // namespace
}  // namespace aurum::core
