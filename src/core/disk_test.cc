#include "core/disk.h"

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

/// A member that could lead, and has room.
model::Member good() {
  model::Member member;
  member.state = model::PgState::running;
  member.aurum_version = "0.1.0";
  return member;
}

bool has_room_beside_n1(const model::Member& n2) {
  model::ClusterView view;
  view.members["n1"] = good();
  view.members["n2"] = n2;
  return another_has_room(view, "n1");
}

TEST(AnotherHasRoom, who_runs_may_lead_and_has_room) {
  EXPECT_TRUE(has_room_beside_n1(good()));
  model::Member low = good();
  low.disk = model::DiskLevel::low;
  EXPECT_TRUE(has_room_beside_n1(low));
}

TEST(AnotherHasRoom, nobody_else) {
  model::ClusterView view;
  EXPECT_FALSE(another_has_room(view, "n1"));
  view.members["n1"] = good();
  EXPECT_FALSE(another_has_room(view, "n1")) << "this node itself";
}

TEST(AnotherHasRoom, who_could_do_no_better_does_not_count) {
  model::Member full = good();
  full.disk = model::DiskLevel::critical;
  EXPECT_FALSE(has_room_beside_n1(full));
  model::Member stopped = good();
  stopped.state = model::PgState::stopped;
  EXPECT_FALSE(has_room_beside_n1(stopped));
  model::Member never = good();
  never.tags = model::Value::object();
  never.tags.set("nofailover", true);
  EXPECT_FALSE(has_room_beside_n1(never));
  model::Member patroni = good();  // it tells nothing of its disk
  patroni.aurum_version.clear();
  EXPECT_FALSE(has_room_beside_n1(patroni));
}

}  // namespace
}  // namespace aurum::core
