#pragma once

#include <algorithm>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/time.h"
#include "runtime/async.h"
#include "runtime/clock.h"

namespace aurum::dcs::etcd {

namespace asio = boost::asio;
using runtime::Task;

/// Lets coroutines of one thread wait for "something changed". A waiter checks its condition,
/// waits, checks again; nothing is lost because there is one thread. The Signal must outlive those
/// who wait on it.
class Signal {
 public:
  explicit Signal(asio::any_io_executor executor) : executor_(std::move(executor)) {}
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  /// Wakes all who wait now. They run later, from the executor: safe to call from anywhere in the
  /// thread.
  void notify() {
    for (auto* timer : waiting_) timer->cancel();
  }

  /// Returns after the next notify() or at `deadline`, and at times for no reason.
  Task<void> wait_until(Instant deadline) {
    asio::steady_timer timer(executor_);
    timer.expires_after(deadline == kNever ? std::chrono::hours(24)
                                           : std::max(Duration(0), deadline - runtime::now()));
    const Registration here(waiting_, timer);
    [[maybe_unused]] auto [ec] = co_await timer.async_wait(runtime::use_task);
  }

 private:
  struct Registration {
    Registration(std::vector<asio::steady_timer*>& list, asio::steady_timer& timer)
        : list_(list), timer_(&timer) {
      list_.push_back(timer_);
    }
    ~Registration() { std::erase(list_, timer_); }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    std::vector<asio::steady_timer*>& list_;
    asio::steady_timer* timer_;
  };

  asio::any_io_executor executor_;
  std::vector<asio::steady_timer*> waiting_;
};

}  // namespace aurum::dcs::etcd
