// Scenario: blocking work leaves the loop and comes home, also when it throws or its caller is
// cancelled.
#include "runtime/pool.h"

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/time.h"

namespace aurum::runtime {
namespace {

Task<void> count_at_home(Pool& pool, int& done, bool& left) {
  auto home = std::this_thread::get_id();
  auto worker = co_await in_pool(pool, [] { return std::this_thread::get_id(); });
  left = worker != home;
  EXPECT_EQ(std::this_thread::get_id(), home);
  auto text = co_await in_pool(pool, [] { return std::make_unique<std::string>("moved only"); });
  EXPECT_EQ(*text, "moved only");
  co_await in_pool(pool, [] {});
  ++done;
}

TEST(in_pool, values_come_home) {
  asio::io_context io(1);
  Pool pool(2);
  int done = 0;
  bool left = false;
  for (int i = 0; i < 50; ++i) asio::co_spawn(io, count_at_home(pool, done, left), asio::detached);
  io.run_for(seconds(20));  // ends by itself only when the work is counted rightly
  EXPECT_EQ(done, 50);
  EXPECT_TRUE(left);
}

Task<std::string> what_it_throws(Pool& pool) {
  try {
    co_await in_pool(pool, []() -> int { throw std::runtime_error("disk"); });
  } catch (const std::runtime_error& e) {
    co_return e.what();
  }
  co_return "";
}

TEST(in_pool, exceptions_come_home) {
  asio::io_context io(1);
  Pool pool(1);
  std::string what;
  asio::co_spawn(io, what_it_throws(pool),
                 [&](std::exception_ptr, std::string text) { what = text; });
  io.run_for(seconds(20));
  EXPECT_EQ(what, "disk");
}

Task<void> wait_for(Pool& pool, std::shared_future<void> gate, std::atomic<bool>& ended) {
  co_await in_pool(pool, [gate, &ended] {
    gate.wait();
    ended = true;
  });
}

TEST(in_pool, a_cancelled_caller_still_awaits_the_end) {
  asio::io_context io(1);
  Pool pool(1);
  std::promise<void> gate;
  std::atomic<bool> ended = false;
  int completions = 0;
  asio::cancellation_signal cancel;
  asio::co_spawn(io, wait_for(pool, gate.get_future().share(), ended),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr) {
                   EXPECT_TRUE(ended);
                   ++completions;
                 }));
  asio::post(io, [&] {
    cancel.emit(asio::cancellation_type::terminal);
    gate.set_value();
  });
  io.run_for(seconds(20));
  EXPECT_EQ(completions, 1);
}

TEST(in_pool, a_stopped_loop_takes_its_coroutines_along) {
  std::atomic<bool> ended = false;
  {
    asio::io_context io(1);
    Pool pool(1);
    std::promise<void> gate;
    asio::co_spawn(io, wait_for(pool, gate.get_future().share(), ended), asio::detached);
    io.run_one_for(seconds(20));
    gate.set_value();
    io.stop();
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace aurum::runtime
