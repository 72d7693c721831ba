#pragma once

#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/time.h"
#include "runtime/async.h"

namespace aurum::dcs::testing {

namespace asio = boost::asio;

/// Runs the loop until `task` ends and returns its value; fails the test when that takes longer
/// than `limit`.
template <class T>
T run(asio::io_context& io, runtime::Task<T> task, Duration limit = seconds(30)) {
  std::optional<T> value;
  asio::co_spawn(io, std::move(task), [&](const std::exception_ptr& error, T result) {
    if (error) std::rethrow_exception(error);
    value = std::move(result);
  });
  io.restart();
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!value && !io.stopped() && std::chrono::steady_clock::now() < end) io.run_one_until(end);
  if (!value)
    throw std::runtime_error(io.stopped() ? "a task waits for nothing"
                                          : "a task did not end in time");
  return std::move(*value);
}

/// Runs the loop until `done` says so; false when `limit` passed first.
template <class Done>
bool run_until(asio::io_context& io, Done done, Duration limit) {
  io.restart();
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done() && std::chrono::steady_clock::now() < end) {
    io.run_one_until(std::min(end, std::chrono::steady_clock::now() + milliseconds(20)));
    if (io.stopped()) io.restart();
  }
  return done();
}

}  // namespace aurum::dcs::testing
