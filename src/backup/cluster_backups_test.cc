// Scenario: what members tell each other of backups survives the store, stays small, and nonsense
// in it reads as nothing.
#include "backup/cluster_backups.h"

#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

TEST(ClusterBackups, come_back_as_they_were) {
  ClusterBackups state{.system_identifier = "7711", .version = "15"};
  state.add(
      {.kind = RunKind::full, .node = "n1", .started = 10, .ended = 20, .label = "F", .added = 5});
  state.add(
      {.kind = RunKind::incr, .node = "n2", .started = 30, .ended = 31, .error = "no \"room\""});
  state.running = backup::Run{.kind = RunKind::diff, .node = "n3", .started = 40};
  EXPECT_EQ(decode_cluster_backups(encode(state)), state);
  const LockHolder holder{.node = "n1", .kind = RunKind::diff, .started = 9, .percent = 12.5};
  EXPECT_EQ(decode_lock_holder(encode(holder)), holder);
  const BackupNode node{.host = "db1",
                        .tls_port = 8432,
                        .data_dir = "/d",
                        .socket_dir = "/run",
                        .user = "postgres",
                        .port = 5433};
  EXPECT_EQ(decode_backup_node(encode(node)), node);
}

TEST(ClusterBackups, stay_small) {
  ClusterBackups state;
  for (int i = 0; i < 1000; ++i)
    state.add(
        {.kind = RunKind::incr, .node = "n", .started = i, .error = std::string(100'000, '"')});
  EXPECT_EQ(state.recent.size(), kRecentRuns);
  EXPECT_EQ(state.recent.back().started, 999);
  EXPECT_LT(encode(state).size(), 50'000U) << "etcd takes 1.5 MB";
  EXPECT_EQ(state.failures, 1000);
}

TEST(ClusterBackups, nonsense_reads_as_nothing) {
  for (const char* text : {"", "null", "[]", "{", "7", R"({"good":7,"recent":{},"failures":"x"})",
                           R"({"good":{"full":{"kind":"incr"}},"recent":[7,{"kind":"x"}]})"}) {
    const auto state = decode_cluster_backups(text);
    EXPECT_TRUE(state.good.empty()) << text;
    EXPECT_TRUE(state.recent.empty()) << text;
    EXPECT_FALSE(state.running) << text;
    EXPECT_TRUE(decode_lock_holder(text)) << "a lock all the same: " << text;
    EXPECT_FALSE(decode_backup_node(text)) << text;
  }
  EXPECT_FALSE(decode_backup_node(R"({"data_dir":"/d\npg1-path=/x","port":5432})"));
}

TEST(ClusterBackups, are_picked_from_the_clusters_keys) {
  const auto keys = decode_backup_keys(
      {{.key = "leader", .value = "n1"},
       {.key = std::string(kStateKey), .value = "{}", .mod_revision = 7},
       {.key = std::string(kLockKey), .value = "?"},
       {.key = "aurum_backup/nodes/n2", .value = R"({"data_dir":"/d","port":5432})"}});
  EXPECT_EQ(keys.state.revision, 7);
  EXPECT_TRUE(keys.lock);
  EXPECT_EQ(keys.nodes.count("n2"), 1U);
}

TEST(ClusterBackups, wait_for_a_restore_until_the_cluster_serves_again) {
  const auto restoring = [](std::string value) {
    return decode_backup_keys({{.key = std::string(kRestoreKey), .value = std::move(value)}})
        .restoring;
  };
  EXPECT_FALSE(decode_backup_keys({}).restoring);
  EXPECT_TRUE(restoring("?")) << "what is not understood is a restore all the same";
  using model::RestoreStep;
  for (const auto step :
       {RestoreStep::check, RestoreStep::stop, RestoreStep::fetch, RestoreStep::open,
        RestoreStep::rebuild, RestoreStep::undo_stop, RestoreStep::undo})
    EXPECT_TRUE(restoring(model::encode_restore(
        {.id = "x", .step = step, .node = "a", .keeper = "b", .backup = "F"})))
        << to_string(step);
  for (const auto step : {RestoreStep::done, RestoreStep::confirm})
    EXPECT_FALSE(restoring(model::encode_restore(
        {.id = "x", .step = step, .node = "a", .keeper = "b", .backup = "F"})))
        << to_string(step);
}

TEST(ClusterBackups, who_tests_has_a_key_of_its_own) {
  const LockHolder holder{"n3", RunKind::restore_test, 7, -1, "restored 45 %"};
  const auto keys =
      decode_backup_keys({{.key = std::string(kTrialLockKey), .value = encode(holder)},
                          {.key = kRestoreTestKey,
                           .value = R"({"running":{"node":"n3","started":7}})",
                           .mod_revision = 9}});
  EXPECT_FALSE(keys.lock);
  EXPECT_EQ(keys.trial_lock, holder);
  EXPECT_EQ(keys.trials.revision, 9);
  EXPECT_EQ(keys.trials.running->node, "n3");
}

}  // namespace
}  // namespace aurum::backup
