// Calls with a deadline, of which one is outstanding at a time.

#include "pg/bounded.h"

#include <latch>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace aurum::pg {
namespace {

namespace asio = boost::asio;

TEST(Bounded, each_of_many_callers_gets_what_it_asked_for) {
  asio::io_context io;
  runtime::Pool pool(2);
  Bounded<int> calls(io.get_executor());
  std::vector<std::optional<int>> got(50);
  for (int i = 0; i < 50; ++i) {
    auto one = [&, i]() -> runtime::Task<void> {
      got[static_cast<std::size_t>(i)] =
          co_await calls.run(pool, [i] { return i; }, runtime::now() + seconds(30));
    };
    asio::co_spawn(io, one, asio::detached);
  }
  io.run();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], i);
}

TEST(Bounded, one_that_hangs_is_waited_for_until_the_deadline) {
  asio::io_context io;
  std::latch hangs(1);  // outlives the thread that waits for it
  runtime::Pool pool(1);
  Bounded<int> calls(io.get_executor());
  int missed = 0;
  for (int i = 0; i < 2; ++i) {
    auto one = [&]() -> runtime::Task<void> {
      const auto value = co_await calls.run(
          pool,
          [&] {
            hangs.wait();
            return 1;
          },
          runtime::now() + milliseconds(20));
      if (!value) ++missed;
      if (missed == 2) hangs.count_down();
    };
    asio::co_spawn(io, one, asio::detached);
  }
  io.run();
  EXPECT_EQ(missed, 2);
}

}  // namespace
}  // namespace aurum::pg
