#include "backup/replica_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

constexpr std::int64_t kMega = 1 << 20, kGiga = 1024 * kMega;

TEST(ReplicaSource, is_the_repository_unless_replay_takes_longer_than_a_copy) {
  const struct {
    const char* what;
    std::int64_t database;
    std::optional<std::uint64_t> wal_since;
    bool has_other;
    bool base_backup;
  } cases[] = {
      {"an hour behind the backup", 100 * kGiga, 5 * kGiga, true, false},
      {"as much WAL as there is data", 100 * kGiga, 100 * kGiga, true, false},
      {"more WAL than data", 100 * kGiga, 100 * kGiga + 1, true, true},
      {"a week of a busy small database", 20 * kGiga, 500 * kGiga, true, true},
      {"the same, and nothing else is named", 20 * kGiga, 500 * kGiga, false, false},
      {"a tiny database, a little WAL", 30 * kMega, 64 * kMega, true, false},
      {"a tiny database, a gigabyte", 30 * kMega, kGiga, true, false},
      {"a tiny database, and more than that", 30 * kMega, kGiga + 1, true, true},
      {"where the leader writes is not known", 20 * kGiga, std::nullopt, true, false},
      {"a backup that tells no size", 0, 2 * kGiga, true, true},
      {"nonsense for a size", -5, 2 * kGiga, true, true},
  };
  for (const auto& one : cases) {
    const auto why = base_backup_is_better({one.database, one.wal_since, one.has_other});
    EXPECT_EQ(!why.empty(), one.base_backup) << one.what << ": " << why;
  }
  EXPECT_EQ(base_backup_is_better({20'000'000'000, 500'000'000'000, true}),
            "500.0 GB of WAL behind the newest backup of 20.0 GB");
}

TEST(ReplicaSource, is_judged_by_where_the_leader_writes) {
  Backup backup{.size = 7, .lsn_stop = {1000}};
  EXPECT_EQ(replica_choice(backup, model::Lsn{3000}, true).wal_since, 2000U);
  EXPECT_EQ(replica_choice(backup, model::Lsn{3000}, true).database, 7);
  EXPECT_EQ(replica_choice(backup, model::Lsn{400}, true).wal_since, 0U) << "an old answer";
  EXPECT_FALSE(replica_choice(backup, std::nullopt, true).wal_since);
  backup.lsn_stop = {};
  EXPECT_FALSE(replica_choice(backup, model::Lsn{3000}, true).wal_since) << "pgBackRest told none";
}

}  // namespace
}  // namespace aurum::backup
