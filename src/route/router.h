#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/time.h"
#include "model/config.h"
#include "net/tls.h"
#include "route/pgbouncer.h"
#include "runtime/async.h"
#include "runtime/log.h"

namespace aurum::route {

/// Tells HAProxy and PgBouncer of a new leader before their own checks find out, and lets PgBouncer
/// hold its clients back while the leadership is handed over.
///
/// Lifecycle: made by the agent when patroni.yml has aurum.routing. It is told, never asked: no
/// decision depends on what becomes of a push, and everything here has a deadline. What is lost is
/// made up for: HAProxy by its checks, PgBouncer's pause by whoever leads next, and by this node.
///
/// A name may have several addresses, as on a swarm with a door on every node: each is told.
class Router {
 public:
  Router(boost::asio::any_io_executor executor, runtime::Logger& log);

  void reconfigure(const model::LocalConfig& config);
  /// Their files are others now. On an error the former stay in use.
  Status renew_certificates();
  /// This node takes writes from now on; `others` are the other members.
  void leads(std::vector<std::string> others);
  /// It takes none any more.
  void follows() { leading_ = false; }
  /// This leader's PostgreSQL is about to be stopped in order: new transactions wait in PgBouncer.
  /// Ends with those under way, at the latest after aurum.routing.pause_ms.
  Task<void> hold_clients();

 private:
  Task<void> tell_haproxies(std::string where, std::string command);
  Task<void> tell_haproxy(Address door, std::string command);
  Task<void> release_all();
  Task<Status> find_pgbouncers();
  Task<void> release(std::shared_ptr<Pgbouncer> pgbouncer);
  Task<void> release_later(std::shared_ptr<Pgbouncer> pgbouncer);
  Task<void> hold(std::shared_ptr<Pgbouncer> pgbouncer);
  Task<void> keep_consoles();

  boost::asio::any_io_executor executor_;
  runtime::Logger& log_;
  model::RoutingConfig config_;
  unsigned configs_ = 0;  ///< how often it was another one
  std::string name_;
  net::TlsContextPtr tls_;
  bool leading_ = false, keeping_ = false;
  std::vector<std::shared_ptr<Pgbouncer>> pgbouncers_;  ///< also held by what runs with them
};

}  // namespace aurum::route
