#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "model/config.h"
#include "runtime/async.h"
#include "runtime/log.h"

namespace aurum::backup {

using runtime::Task;

/// `pgbackrest server` beside the agent: by it a standby that takes a backup, or the repository's
/// host, reaches this node. Started again when it ends; ends with the agent.
class TlsServer {
 public:
  TlsServer(boost::asio::any_io_executor executor, std::string program, runtime::Logger& log)
      : executor_(std::move(executor)), program_(std::move(program)), log_(log) {}

  /// Sees to it that it runs; pgbackrest.conf is there. A changed one, and renewed certificates, it
  /// takes up by itself.
  void keep(const model::LocalConfig& config);
  void stop();

 private:
  Task<void> run(std::vector<std::string> argv, std::vector<std::string> env);

  boost::asio::any_io_executor executor_;
  std::string program_;  ///< ourselves
  runtime::Logger& log_;
  std::shared_ptr<boost::asio::cancellation_signal> running_;  ///< its coroutine holds it too
};

}  // namespace aurum::backup
