#pragma once

#include <exception>
#include <optional>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "model/config.h"
#include "runtime/async.h"

/// What the commands on a database node begin with.
namespace aurum::backup {

/// The patroni.yml at `path` ("" = the environment alone). An error when it has no aurum.backup.
Result<model::LocalConfig> load_node_config(const std::string& path);

/// As root: goes on as the owner of the data directory. What root makes here PostgreSQL's archiver
/// could not read.
Status become_owner(const model::LocalConfig& config);

/// Runs one task to its end on a loop of its own.
template <class T>
T run_alone(runtime::Task<T> task) {
  boost::asio::io_context io(1);
  std::optional<T> out;
  boost::asio::co_spawn(io, std::move(task), [&out](std::exception_ptr error, T result) {
    if (error) std::rethrow_exception(error);
    out = std::move(result);
  });
  io.run();
  return std::move(*out);
}

}  // namespace aurum::backup
