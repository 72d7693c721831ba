#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

#include "runtime/async.h"

namespace aurum::runtime {

/// A few threads for calls that block on a disk (fsync, big directory walks). Owned by main, joined
/// at the end. The io_context whose coroutines use it must outlive it: work that ends posts its
/// result there.
class Pool {
 public:
  explicit Pool(std::size_t threads) : pool_(threads) {}
  ~Pool() { pool_.join(); }
  asio::thread_pool& get() { return pool_; }

 private:
  asio::thread_pool pool_;
};

/// Runs `work` in the pool and comes back to the caller's executor with its value; an exception
/// comes back too. `work` must not touch what the loop touches meanwhile. Cancelling the coroutine
/// does not interrupt the work: it is awaited to its end. `auto facts = co_await in_pool(pool,
/// [path] { return read(path); });`
template <class F>
Task<std::invoke_result_t<F>> in_pool(Pool& pool, F work) {
  using Value = std::invoke_result_t<F>;
  using Carried = std::optional<std::conditional_t<std::is_void_v<Value>, std::monostate, Value>>;
  auto home = co_await asio::this_coro::executor;
  // The handler has one owner at any time: the job, then the completion. It is completed exactly
  // once.
  auto initiate = [&pool, home](auto handler, F job) {
    asio::post(pool.get(), [home, handler = std::move(handler), job = std::move(job)]() mutable {
      Carried value;
      std::exception_ptr problem;
      try {
        if constexpr (std::is_void_v<Value>) {
          job();
          value.emplace();
        } else {
          value.emplace(job());
        }
      } catch (...) {
        problem = std::current_exception();
      }
      asio::post(home, [handler = std::move(handler), value = std::move(value),
                        problem = std::move(problem)]() mutable {
        std::move(handler)(std::move(problem), std::move(value));
      });
    });
  };
  auto result = co_await asio::async_initiate<const asio::use_awaitable_t<>,
                                              void(std::exception_ptr, Carried)>(
      initiate, asio::use_awaitable, std::move(work));
  if constexpr (!std::is_void_v<Value>) co_return std::move(*result);
}

}  // namespace aurum::runtime
