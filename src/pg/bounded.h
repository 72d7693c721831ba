#pragma once

#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/time.h"
#include "runtime/async.h"
#include "runtime/clock.h"
#include "runtime/pool.h"

namespace aurum::pg {

/// Calls that may block for ever (fsync on a dead disk, stat on a hung mount), with a deadline. At
/// most one is ever outstanding: while an old one hangs, new ones wait for it and give up at their
/// own deadline, so that a hung disk costs one pool thread and not all of them. Used on one
/// executor; the outstanding call may outlive this object.
template <class T>
class Bounded {
 public:
  explicit Bounded(runtime::asio::any_io_executor home) : state_(std::make_shared<State>(home)) {}

  /// The value of work(), or nothing at the deadline. `work` owns what it touches.
  template <class F>
  runtime::Task<std::optional<T>> run(runtime::Pool& pool, F work, Instant deadline) {
    auto state = state_;
    while (state->busy) {
      const bool woken = co_await wait(state, deadline);
      if (!woken) co_return std::nullopt;
    }
    state->busy = true;
    // Of this call alone: another one may begin before we are back to take it.
    auto value = std::make_shared<std::optional<T>>();
    runtime::asio::post(pool.get(), [state, value, job = std::move(work)]() mutable {
      auto done = job();
      runtime::asio::post(state->home, [state, value, done = std::move(done)]() mutable {
        *value = std::move(done);
        state->busy = false;
        for (auto* timer : state->waiting) timer->cancel();
      });
    });
    while (!*value) {
      const bool woken = co_await wait(state, deadline);
      if (!woken && !*value) co_return std::nullopt;
    }
    co_return std::move(*value);
  }

  bool busy() const { return state_->busy; }

 private:
  using Timer = runtime::asio::steady_timer;
  struct State {
    explicit State(runtime::asio::any_io_executor executor) : home(std::move(executor)) {}
    runtime::asio::any_io_executor home;
    std::set<Timer*> waiting;
    bool busy = false;
  };

  /// False at the deadline.
  static runtime::Task<bool> wait(std::shared_ptr<State> state, Instant deadline) {
    const Duration left = deadline - runtime::now();
    if (left <= Duration::zero()) co_return false;
    Timer timer(state->home);
    struct Registered {
      State& state;
      Timer* timer;
      Registered(State& s, Timer* t) : state(s), timer(t) { state.waiting.insert(timer); }
      ~Registered() { state.waiting.erase(timer); }
    } registered(*state, &timer);
    timer.expires_after(std::chrono::duration_cast<Timer::duration>(left));
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ec);
    co_return !state->busy || runtime::now() < deadline;
  }

  std::shared_ptr<State> state_;
};

}  // namespace aurum::pg
