#pragma once

#include <utility>

#include <gtest/gtest.h>

#include "sim/world.h"

namespace aurum::sim {

/// A test in a world that begins healthy, with n1…nN up, and must never break a rule.
class Scenario : public ::testing::Test {
 protected:
  void begin(WorldOptions options = {}) {
    world_ = std::make_unique<World>(std::move(options));
    for (Node* n : world_->nodes()) world_->start_agent(*n);
    ASSERT_TRUE(world_->run_until_healthy()) << world_->describe();
    world_->run_for(seconds(3));
    primary_ = world_->writer();
    ASSERT_NE(primary_, nullptr);
  }
  void TearDown() override {
    if (world_ && !world_->violations.empty())
      ADD_FAILURE() << world_->violations.front() << "\n" << world_->describe();
  }
  World& w() { return *world_; }
  /// Who led in the beginning.
  Node& old_primary() { return *primary_; }
  /// Some other node.
  Node& replica(int which = 0) {
    for (Node* n : world_->nodes()) {
      if (n != primary_ && which-- == 0) return *n;
    }
    return *primary_;
  }
  model::Timeline timeline() { return world_->writer() ? world_->writer()->pg.wal.timeline() : 0; }
  static model::Value dcs(std::initializer_list<std::pair<const char*, model::Value>> settings) {
    model::Value value = model::Value::object();
    for (const auto& [key, v] : settings) value.set(key, v);
    return value;
  }
  Duration seconds_to(const std::function<bool()>& holds, Duration limit) {
    const Instant begin = world_->now();
    EXPECT_TRUE(world_->run_until(holds, limit)) << world_->describe();
    return world_->now() - begin;
  }

 private:
  std::unique_ptr<World> world_;
  Node* primary_ = nullptr;
};

}  // namespace aurum::sim
