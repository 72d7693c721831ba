#pragma once

#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "runtime/async.h"

namespace aurum::runtime {

/// Runs one task to its end on `io`, which nothing else uses meanwhile. What the task throws is
/// thrown here.
template <class T>
T run_alone(boost::asio::io_context& io, Task<T> task) {
  std::optional<T> out;
  boost::asio::co_spawn(io, std::move(task), [&out](std::exception_ptr error, T result) {
    if (error) std::rethrow_exception(error);
    out = std::move(result);
  });
  io.restart();
  io.run();
  return std::move(*out);
}

/// The same on a loop of its own.
template <class T>
T run_alone(Task<T> task) {
  boost::asio::io_context io(1);
  return run_alone(io, std::move(task));
}

}  // namespace aurum::runtime
