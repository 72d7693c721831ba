// Scenario: several nodes want to work on the repository, with a real etcd: one does at a time,
// also when it is cut off, and what becomes of it is known.
#include <fstream>
#include <sys/stat.h>

#include <gmock/gmock.h>

#include "backup/locked_run.h"
#include "backup/testing/backup_fixture.h"
#include "base/testing/temp_dir.h"
#include "dcs/testing/etcd_store_fixture.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
constexpr Duration kTtl = seconds(5);

using Shared = std::shared_ptr<ClusterLock>;  // so that a loop can hand it over

Task<Result<Shared>> shared(Task<Result<ClusterLock>> task) {
  auto lock = co_await std::move(task);
  if (!lock) co_return fail(lock.error());
  co_return std::make_shared<ClusterLock>(std::move(*lock));
}

class ClusterLockSystem : public dcs::testing::EtcdStoreFixture {
 protected:
  void SetUp() override { start({}); }
  Result<BackupKeys> keys() {
    auto read = run(store_->read(kTimeout));
    if (!read) return fail(read.error());
    return decode_backup_keys(read->keys);
  }
  Result<Shared> take(const std::string& node) {
    return run(shared(ClusterLock::take(
        *store_, {.node = node, .kind = RunKind::incr, .started = 7}, keys().value().state, kTtl)));
  }
};

TEST_F(ClusterLockSystem, belongs_to_one_and_then_to_another) {
  auto first = take("n1");
  ASSERT_TRUE(first) << first.error().text();
  EXPECT_EQ(keys()->lock->node, "n1");
  EXPECT_EQ(keys()->state.running->node, "n1");
  const auto second = take("n2");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::exists);
  ASSERT_TRUE(run((*first)->finish(
      backup::Run{.kind = RunKind::incr, .node = "n1", .started = 7, .label = "I"})));
  EXPECT_FALSE(keys()->lock);
  EXPECT_FALSE(keys()->state.running);
  EXPECT_EQ(keys()->state.good.at(RunKind::incr).label, "I");
  EXPECT_TRUE(take("n2"));
}

// Decided on what another one has changed meanwhile: it must look again.
TEST_F(ClusterLockSystem, is_not_taken_on_old_news) {
  const auto old = keys()->state;
  auto first = take("n1");
  ASSERT_TRUE(run((*first)->finish(backup::Run{.kind = RunKind::incr})));
  const auto late = run(shared(ClusterLock::take(*store_, {.node = "n2"}, old, kTtl)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::exists);
}

TEST_F(ClusterLockSystem, of_a_node_that_died_goes_on_and_its_run_counts_as_cut_short) {
  const Instant begun = runtime::now();
  auto dead = take("n1");
  ASSERT_TRUE(dead);
  EXPECT_LT((*dead)->deadline(), begun + kTtl);
  Result<Shared> next = take("n2");
  while (!next && runtime::now() - begun < seconds(20)) {
    pass(milliseconds(200));
    next = take("n2");
  }
  ASSERT_TRUE(next) << next.error().text();
  EXPECT_GT(runtime::now(), (*dead)->deadline());
  ASSERT_EQ((*next)->state().recent.size(), 1U);
  EXPECT_TRUE((*next)->state().recent[0].interrupted);
  EXPECT_EQ((*next)->state().recent[0].node, "n1");
  // The dead one comes back, and can tell nothing any more.
  const auto told = run((*dead)->finish(backup::Run{.kind = RunKind::incr, .label = "late"}));
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code, Code::rejected);
  EXPECT_FALSE(keys()->state.good.contains(RunKind::incr));
}

// Cut off from etcd in the middle: pgBackRest ends before the lock can be another's.
TEST_F(ClusterLockSystem, that_cannot_be_kept_ends_pgbackrest_in_time) {
  const ::aurum::testing::TempDir dir;
  const auto script = dir / "pgbackrest";
  std::ofstream(script) << "#!/bin/sh\ncase \"$*\" in *\" info \"*) echo '[]'; exit;; esac\n"
                        << "echo $$ > " << (dir / "pid").string() << "\nexec sleep 600\n";
  ::chmod(script.c_str(), 0755);
  model::LocalConfig config;
  config.name = "n1";
  config.pg.data_dir = dir / "data";
  fs::create_directory(config.pg.data_dir);
  std::ofstream(config.pg.data_dir / "standby.signal") << "";
  config.aurum.backup =
      model::BackupConfig{.stanza = "demo", .program = script.string(), .work_dir = dir.path()};
  const Instant begun = runtime::now();
  io_.restart();
  std::optional<Result<backup::Run>> ended;
  boost::asio::co_spawn(
      io_,
      run_locked(*store_, config, {},
                 {.kind = RunKind::incr,
                  .node = "n1",
                  .program = testing::aurum_program(),
                  .folder = dir.path(),
                  .ttl = kTtl,
                  .on_begin = [&] { cluster_->freeze(0); }}),
      [&](std::exception_ptr, Result<backup::Run> run) { ended = std::move(run); });
  while (!ended && runtime::now() - begun < seconds(30)) io_.run_one_for(milliseconds(50));
  cluster_->thaw(0);
  ASSERT_TRUE(ended);
  ASSERT_TRUE(*ended) << ended->error().text();
  EXPECT_TRUE((**ended).interrupted);
  EXPECT_THAT((**ended).error, HasSubstr("the backup lock"));
  std::ifstream file(dir / "pid");
  int pid = 0;
  file >> pid;
  ASSERT_GT(pid, 0);
  EXPECT_NE(::kill(pid, 0), 0) << "pgBackRest lives on";
}

}  // namespace
}  // namespace aurum::backup
