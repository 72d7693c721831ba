#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

#include "runtime/async.h"

namespace aurum::runtime {

/// A few threads for calls that block on a disk (fsync, big directory walks). Owned by main, joined
/// at the end.
class Pool {
 public:
  explicit Pool(std::size_t threads) : pool_(threads) {}
  ~Pool() { pool_.join(); }
  asio::thread_pool& get() { return pool_; }

 private:
  asio::thread_pool pool_;
};

/// Runs `work` in the pool and comes back to the caller's executor with its value. `work` must not
/// touch what the loop touches meanwhile. `auto facts = co_await in_pool(pool, [path] { return
/// read(path); });`
template <class F>
Task<std::invoke_result_t<F>> in_pool(Pool& pool, F work) {
  auto home = co_await asio::this_coro::executor;
  auto result =
      co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::invoke_result_t<F>)>(
          [&pool, home](auto handler, F job) {
            auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            asio::post(pool.get(), [home, shared, job = std::move(job)]() mutable {
              auto value = job();
              asio::post(home, [shared, value = std::move(value)]() mutable {
                (*shared)(std::move(value));
              });
            });
          },
          asio::use_awaitable, std::move(work));
  co_return result;
}

}  // namespace aurum::runtime
