// Scenario: a primary is lost with WAL that nobody else had, and archived it; the new one is killed
// before its first segment is full, with its history in the archive. A replica that is made from
// the repository now must stop where the old timeline was left, and follow the new one later.
#include <fmt/format.h>

#include "backup/testing/backup_fixture.h"

namespace aurum::backup {
namespace {

class AbandonedWalSystem : public testing::Backup {
 protected:
  bool is_archived(const std::string& file) {
    for (const auto& entry : testing::fs::recursive_directory_iterator(repository()))
      if (entry.path().filename().string().starts_with(file)) return true;
    return false;
  }
  void wait_until_archived(const std::string& file) {
    const Instant until = runtime::now() + seconds(30);
    while (!is_archived(file)) {
      ASSERT_LT(runtime::now(), until) << file;
      io_.run_for(std::chrono::milliseconds(20));
    }
  }
};

TEST_F(AbandonedWalSystem, is_not_replayed_by_a_replica_from_the_repository) {
  bootstrap();
  Pgbackrest pgbackrest(one_.config);
  ASSERT_TRUE(wait(pgbackrest.ensure_stanza()));
  const auto full = wait(pgbackrest.take("full", {}));
  ASSERT_TRUE(full) << full.error().text();
  two_.config.pg.restore_command.clear();  // it shall have what is streamed, and no more
  make_replica();
  sql(one_, "CREATE TABLE t(i int); INSERT INTO t VALUES (1)");
  const auto shared = wait(one_.pg.probe(seconds(2))).flush_lsn;
  probe_until(two_, [&](const auto& f) { return f.replayed_lsn && *f.replayed_lsn >= shared; });
  ASSERT_TRUE(wait(two_.pg.configure(model::PgTarget{}, dynamic_)));
  probe_until(two_, [](const auto& f) { return f.replication_state != "streaming"; });
  // Two segments that only the archive gets.
  std::string last;
  for (int row : {98, 99}) {
    sql(one_, fmt::format("INSERT INTO t VALUES ({})", row));
    last = sql(one_, "SELECT pg_walfile_name(pg_switch_wal())");
  }
  wait_until_archived(last);
  crash(one_);
  const auto promoted = wait(two_.pg.promote(1));
  ASSERT_TRUE(promoted) << promoted.error().text();
  ASSERT_TRUE(wait(two_.pg.configure(model::PgTarget{.primary = true}, dynamic_)));
  sql(two_, "INSERT INTO t VALUES (2)");
  wait_until_archived("00000002.history");
  const auto history = wait(two_.pg.read_history(2));
  ASSERT_TRUE(history);
  const auto fork = history->front().lsn;
  crash(two_);

  ASSERT_TRUE(wait(one_.pg.clear_data("made from the repository")));
  const auto restored = wait(pgbackrest.restore(full->label, one_.config.pg.data_dir, {}));
  ASSERT_TRUE(restored) << restored.error().text();
  testing::fs::remove(one_.config.pg.data_dir / "recovery.signal");
  const auto started = wait(one_.pg.start(model::PgTarget{}, dynamic_, seconds(30)));
  ASSERT_TRUE(started) << started.error().text();
  const auto replica =
      probe_until(one_, [&](const auto& f) { return f.replayed_lsn && *f.replayed_lsn >= fork; });
  EXPECT_EQ(replica.replayed_lsn, fork);
  EXPECT_EQ(wait(one_.pg.replayed())->timeline, 1U);

  ASSERT_TRUE(wait(two_.pg.start(model::PgTarget{.primary = true}, dynamic_, seconds(30))));
  ASSERT_TRUE(wait(one_.pg.configure(follow(two_), dynamic_)));
  const auto end = wait(two_.pg.probe(seconds(2))).flush_lsn;
  probe_until(one_, [&](const auto& f) {
    return f.replication_state == "streaming" && f.replayed_lsn && *f.replayed_lsn >= end;
  });
  EXPECT_EQ(sql(one_, "SELECT string_agg(i::text, ',' ORDER BY i) FROM t"), "1,2");
}

}  // namespace
}  // namespace aurum::backup
