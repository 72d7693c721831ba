#pragma once

#include <memory>
#include <string>

#include "model/config.h"
#include "runtime/async.h"
#include "runtime/log.h"

namespace aurum::pg {

/// postgresql.callbacks (PATRONI_COMPAT §6.1): `<command words> ACTION ROLE SCOPE`. One runs at a
/// time: a new event kills the one still running with its descendants; on_reload has a slot of its
/// own. Nobody waits for them. The destructor kills what still runs.
class Callbacks {
 public:
  Callbacks(runtime::asio::any_io_executor executor, const model::LocalConfig& config,
            runtime::Logger& log);
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  void reconfigure(const model::LocalConfig& config) { config_ = &config; }
  /// "on_start", role "primary". Nothing happens when no command is configured for the action.
  void fire(std::string action, std::string role);
  bool running() const;

 private:
  struct Slot;
  runtime::asio::any_io_executor executor_;
  const model::LocalConfig* config_;
  runtime::Logger& log_;
  std::shared_ptr<Slot> changes_, reloads_;  ///< shared with the coroutine that awaits the command
};

}  // namespace aurum::pg
