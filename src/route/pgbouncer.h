#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "model/config.h"
#include "pg/session.h"
#include "route/address.h"
#include "runtime/async.h"

namespace aurum::route {

using runtime::Task;

/// The admin console of one PgBouncer. The connection is opened ahead of time and kept, so that one
/// that is away costs a handover nothing: what is not open then is left alone.
class Pgbouncer {
 public:
  Pgbouncer(boost::asio::any_io_executor executor, Address door);

  /// Opens the console, unless it is open and answers, or is in use.
  Task<Status> open(model::RoutingConfig config, Duration timeout);
  /// New transactions wait from now on. Ends when those under way have ended, or with
  /// Code::timeout; also then new ones wait.
  Task<Status> pause(Duration limit);
  /// They go on; on a connection of its own, as a pause may be under way on the other.
  Task<Status> resume(model::RoutingConfig config, Duration timeout);

  const Address& door() const { return door_; }

 private:
  Task<Status> connect(pg::Session& session, const model::RoutingConfig& config, Duration timeout);

  boost::asio::any_io_executor executor_;
  Address door_;
  std::unique_ptr<pg::Session> console_;
  bool in_use_ = false;  ///< somebody awaits it: it must not be replaced
};

}  // namespace aurum::route
