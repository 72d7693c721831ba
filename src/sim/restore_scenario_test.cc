// The restore of the cluster to a point: the steps of core/restore.cc, cut off and continued.

#include <fmt/format.h>

#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

using model::RestoreStep;

class Restoring : public Scenario {
 protected:
  /// A backup, rows, the point, and more rows.
  void make_past(WorldOptions options = {}) {
    begin(std::move(options));
    w().backup = old_primary().pg.wal;
    w().run_for(seconds(3));
    point_ = old_primary().pg.flushed;
    w().run_for(seconds(3));
    w().archived = w().backup;  // the rest is archived when it stops in order
  }
  void request(const Node& node) {
    restore_ = {.id = "7", .node = node.name, .keeper = old_primary().name, .backup = "F"};
    restore_.target = {model::RecoveryTarget::Kind::lsn, model::to_string(point_)};
    restore_.timeline = old_primary().pg.wal.timeline();
    write(restore_);
  }
  void write(const model::Restore& restore) {
    w().store.put("aurum_restore", model::encode_restore(restore));
  }
  /// As the operator's command does: whatever stands there goes on, or is undone.
  void operate(const std::function<void(model::Restore&)>& change) {
    model::Restore now = *w().store.view().restore;
    change(now);
    write(now);
  }
  void undo() {
    operate([](auto& r) {
      r.step = RestoreStep::undo_stop;
      r.error.clear();
    });
  }
  bool at(RestoreStep step) {
    const auto& restore = w().store.view().restore;
    return restore && restore->step == step;
  }
  bool error() {
    const auto& restore = w().store.view().restore;
    return restore && !restore->error.empty();
  }
  bool finished() { return at(RestoreStep::done) && w().healthy(); }
  /// The row at the point is there, the one behind it is not.
  void expect_restored(const Node& n) {
    const auto& wal = n.pg.wal;
    EXPECT_TRUE(wal.contains(1, point_)) << w().describe();
    EXPECT_FALSE(wal.contains(1, model::Lsn{point_.value + 1})) << w().describe();
    EXPECT_GT(wal.timeline(), restore_.timeline);
  }
  void expect_undone() {
    ASSERT_TRUE(
        w().run_until([&] { return !w().store.view().restore && w().healthy(); }, seconds(120)))
        << w().describe();
    EXPECT_EQ(w().writer(), &old_primary());
    EXPECT_TRUE(old_primary().pg.wal.contains(1, model::Lsn{point_.value + 1})) << w().describe();
  }

  model::Lsn point_;
  model::Restore restore_;
};

TEST_F(Restoring, a_cluster_is_restored_on_a_replica_and_the_others_are_rebuilt) {
  make_past();
  Node& node = replica();
  request(node);
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
  EXPECT_EQ(w().writer(), &node);
  expect_restored(node);
  EXPECT_TRUE(old_primary().kept.has_value()) << "the old data is kept";
  EXPECT_EQ(w().store.view().restore->new_backup, "20261123-000000F");
  operate([](auto& r) { r.step = RestoreStep::confirm; });
  ASSERT_TRUE(w().run_until([&] { return !w().store.view().restore; }, seconds(20)));
  EXPECT_FALSE(old_primary().kept.has_value());
  w().run_for(seconds(10));
  EXPECT_TRUE(w().healthy()) << w().describe();
  EXPECT_EQ(w().writer(), &node);
}

TEST_F(Restoring, also_on_the_leader_itself_and_of_a_single_node) {
  for (const int nodes : {3, 1}) {
    make_past({.nodes = nodes});
    request(old_primary());
    ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
    EXPECT_EQ(w().writer(), &old_primary());
    expect_restored(old_primary());
    EXPECT_TRUE(old_primary().kept.has_value());
    undo();
    expect_undone();
    TearDown();
  }
}

TEST_F(Restoring, nobody_leads_before_the_target_is_reached_and_nobody_else_then) {
  make_past();
  Node& node = replica();
  node.pg.failing_recoveries = 1000;
  request(node);
  ASSERT_TRUE(w().run_until([&] { return error(); }, seconds(120))) << w().describe();
  for (int i = 0; i < 60; ++i) {
    w().run_for(seconds(1));
    ASSERT_EQ(w().writer(), nullptr) << w().describe();
    EXPECT_EQ(w().leader(), "");
  }
  // Requests of operators wait for it.
  w().request(old_primary(), Request{7, RestartRequest{}});
  w().run_for(seconds(1));
  ASSERT_FALSE(old_primary().replies.empty());
  EXPECT_EQ(old_primary().replies.back().status, 503);

  node.pg.failing_recoveries = 0;
  operate([](auto& r) { r.error.clear(); });
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
  expect_restored(node);
}

// It opens by itself at its target, be its agent who leads or not.
TEST_F(Restoring, a_server_that_replays_to_its_target_ends_with_the_lock) {
  make_past();
  Node& node = replica();
  node.pg.slow_replay = seconds(50);
  request(node);
  const auto replays = [&] { return at(RestoreStep::open) && node.pg.alive; };
  ASSERT_TRUE(w().run_until(replays, seconds(120))) << w().describe();
  w().run_for(seconds(2));
  node.reaches_store = false;
  ASSERT_TRUE(w().run_until([&] { return w().leader().empty(); }, seconds(60)));
  w().run_for(seconds(5));
  EXPECT_FALSE(node.pg.alive) << w().describe();
  w().run_for(seconds(60));
  EXPECT_EQ(w().writer(), nullptr) << w().describe();

  node.pg.slow_replay = {};
  node.reaches_store = true;
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
  expect_restored(node);
}

TEST_F(Restoring, a_late_word_of_a_member_that_is_stopped_since_stops_nothing) {
  make_past();
  const std::string key = "members/" + replica(1).name;
  const std::string before = w().store.find(key)->value;
  request(replica(0));
  const auto stopped = [&] {
    const auto* member = w().store.view().member(replica(1).name);
    return member != nullptr && member->state == model::PgState::stopped;
  };
  ASSERT_TRUE(w().run_until(stopped, seconds(20))) << w().describe();
  ASSERT_TRUE(at(RestoreStep::stop));
  w().store.put(key, before);
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
}

TEST_F(Restoring, nobody_leads_beside_a_server_that_a_pause_left_writable) {
  make_past();
  w().set_config("pause", true);
  ASSERT_TRUE(w().run_until([&] { return old_primary().page.state == PageState::maintenance; },
                            seconds(10)));
  old_primary().reaches_store = false;
  w().run_for(seconds(15));
  ASSERT_EQ(w().leader(), "");
  w().set_config("pause", false);
  request(replica());
  w().run_for(seconds(90));
  EXPECT_EQ(w().leader(), "") << w().describe();
  EXPECT_TRUE(old_primary().pg.writable());
  EXPECT_FALSE(at(RestoreStep::open));
  old_primary().reaches_store = true;
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
  expect_restored(replica());
}

TEST_F(Restoring, what_was_opened_and_lost_its_host_before_it_was_told_is_not_recovered_again) {
  make_past();
  Node& node = replica();
  request(node);
  const auto opened = [&] { return at(RestoreStep::open) && node.pg.writable(); };
  ASSERT_TRUE(w().run_until(opened, seconds(120))) << w().describe();
  w().kill_agent(node);
  const auto timeline = node.pg.wal.timeline();
  w().run_for(seconds(2));  // writes are acknowledged
  ASSERT_TRUE(at(RestoreStep::open));
  w().power_off(node);
  w().power_on(node);
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
  expect_restored(node);
  EXPECT_EQ(node.pg.wal.timeline(), timeline) << w().describe();
}

TEST_F(Restoring, an_undone_restore_leaves_its_timeline_to_what_was_restored) {
  make_past({.nodes = 1});
  request(old_primary());
  ASSERT_TRUE(w().run_until([&] { return at(RestoreStep::rebuild); }, seconds(120)));
  const auto opened = old_primary().pg.wal.timeline();
  undo();
  expect_undone();
  EXPECT_GT(old_primary().pg.wal.timeline(), opened) << w().describe();
}

TEST_F(Restoring, a_keeper_that_loses_its_host_before_its_promotion_takes_no_timeline_twice) {
  make_past();
  request(replica());
  ASSERT_TRUE(w().run_until([&] { return at(RestoreStep::rebuild); }, seconds(120)));
  const auto opened = replica().pg.wal.timeline();
  undo();
  ASSERT_TRUE(w().run_until([&] { return w().leader() == old_primary().name; }, seconds(60)));
  w().power_off(old_primary());
  w().power_on(old_primary());
  expect_undone();
  EXPECT_GT(old_primary().pg.wal.timeline(), opened) << w().describe();
}

TEST_F(Restoring, is_undone_from_every_step) {
  for (const auto step : {RestoreStep::stop, RestoreStep::fetch, RestoreStep::open,
                          RestoreStep::rebuild, RestoreStep::done}) {
    make_past({.seed = 3 + static_cast<std::uint64_t>(step)});
    request(replica());
    ASSERT_TRUE(w().run_until([&] { return at(step); }, seconds(120))) << w().describe();
    w().run_for(milliseconds(300));
    undo();
    expect_undone();
    TearDown();
  }
}

TEST_F(Restoring, goes_on_after_any_agent_or_host_was_lost_at_any_step) {
  int runs = 0;
  for (const auto step : {RestoreStep::check, RestoreStep::stop, RestoreStep::fetch,
                          RestoreStep::open, RestoreStep::rebuild}) {
    for (int who = 0; who < 3; ++who) {
      for (const bool host : {false, true}) {
        SCOPED_TRACE(fmt::format("{} {} {}", model::to_string(step), who, host));
        make_past({.seed = static_cast<std::uint64_t>(++runs)});
        Node& victim = who == 0 ? replica(0) : who == 1 ? old_primary() : replica(1);
        request(replica(0));
        ASSERT_TRUE(w().run_until([&] { return at(step); }, seconds(120))) << w().describe();
        w().run_for(milliseconds(37 * runs % 900));
        host ? w().power_off(victim) : w().kill_agent(victim);
        // A keeper that stays away takes the end of the WAL with it.
        w().run_for(seconds(who == 1 ? runs % 8 : runs % 25));
        host ? w().power_on(victim) : w().start_agent(victim);
        const auto refused = [&] { return at(RestoreStep::check) && error(); };
        const bool done = w().run_until([&] { return finished() || refused(); }, seconds(120));
        ASSERT_TRUE(done) << w().describe();
        if (refused()) {
          EXPECT_EQ(step, RestoreStep::check) << "the leader was lost before anything began";
        } else {
          expect_restored(*w().writer());
        }
        TearDown();
      }
    }
  }
}

TEST_F(Restoring, data_from_before_it_is_never_promoted_once_it_was_opened) {
  make_past();
  Node& node = replica(0);
  Node& other = replica(1);
  other.pg.failing_clones = other.pg.failing_rewinds = 1000;
  request(node);
  ASSERT_TRUE(w().run_until([&] { return at(RestoreStep::rebuild); }, seconds(120)));
  w().run_for(seconds(1));
  w().power_off(node);
  w().power_off(old_primary());
  for (int i = 0; i < 60; ++i) {
    w().run_for(seconds(1));
    ASSERT_EQ(w().writer(), nullptr) << w().describe();
  }
  other.pg.failing_clones = other.pg.failing_rewinds = 0;
  w().power_on(node);
  w().power_on(old_primary());
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
  expect_restored(*w().writer());
}

TEST_F(Restoring, a_member_whose_old_data_does_not_start_looks_at_the_leader_again) {
  make_past();
  Node& node = replica(0);
  Node& other = replica(1);
  other.pg.failing_starts = 1000;  // PostgreSQL: the newest timeline is no child of its own
  request(node);
  ASSERT_TRUE(w().run_until([&] { return at(RestoreStep::open); }, seconds(120)));
  w().cut_between(other, node);
  ASSERT_TRUE(w().run_until([&] { return other.said("start.failed"); }, seconds(60)))
      << w().describe();
  w().cut_between(other, node, false);
  ASSERT_TRUE(w().run_until([&] { return other.said("rejoin.rewind"); }, seconds(60)))
      << w().describe();
  other.pg.failing_starts = 0;
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
}

TEST_F(Restoring, a_request_for_the_lock_from_before_it_comes_too_late) {
  make_past();
  w().archived = old_primary().pg.wal;
  Node& late = replica(0);
  Node& node = replica(1);
  w().power_off(old_primary());
  node.reaches_store = false;  // else it might be the one that stands
  ASSERT_TRUE(w().run_until([&] { return w().leader().empty(); }, seconds(30)));
  late.delay_requests = 2;
  ASSERT_TRUE(w().run_until([&] { return late.said("race"); }, seconds(10))) << w().describe();
  node.reaches_store = true;
  restore_ = {.id = "9", .node = node.name, .keeper = node.name, .backup = "F"};
  restore_.target = {model::RecoveryTarget::Kind::lsn, model::to_string(point_)};
  restore_.timeline = 1;
  restore_.step = RestoreStep::stop;
  write(restore_);
  ASSERT_TRUE(w().run_until([&] { return at(RestoreStep::fetch); }, seconds(30)));
  w().kill_agent(node);
  for (int i = 0; i < 60; ++i) {
    w().run_for(milliseconds(100));
    ASSERT_EQ(w().leader(), "") << w().describe();
  }
  w().start_agent(node);
  ASSERT_TRUE(w().run_until([&] { return at(RestoreStep::done); }, seconds(120))) << w().describe();
  expect_restored(node);
}

TEST_F(Restoring, a_cluster_without_a_leader_is_restored_too) {
  make_past();
  w().archived = old_primary().pg.wal;
  w().power_off(old_primary());
  w().power_off(replica(1));
  replica(0).pg.failing_promotions = 1000;
  w().run_for(seconds(20));
  restore_ = {.id = "8", .node = replica(0).name, .keeper = replica(0).name, .backup = "F"};
  restore_.target = {model::RecoveryTarget::Kind::lsn, model::to_string(point_)};
  restore_.timeline = 1;
  write(restore_);
  ASSERT_TRUE(w().run_until([&] { return at(RestoreStep::done); }, seconds(120))) << w().describe();
  expect_restored(replica(0));
  w().power_on(old_primary());
  w().power_on(replica(1));
  ASSERT_TRUE(w().run_until([&] { return finished(); }, seconds(120))) << w().describe();
  EXPECT_EQ(w().writer(), &replica(0));
}

}  // namespace
}  // namespace aurum::sim
