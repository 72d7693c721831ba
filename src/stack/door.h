#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "stack/cluster.h"

namespace aurum::stack {

/// How clients of a bench come to the primary.
enum class Way { libpq, haproxy, pgbouncer };
Result<Way> way_from(std::string_view name);

/// Where a door will be: where clients come in, and where HAProxy is told of a new leader.
struct DoorPorts {
  std::uint16_t haproxy = 0, runtime = 0, pgbouncer = 0;
};

/// Free ports for a door before a cluster that is yet to start. Our own agents get them as
/// aurum.routing, so that a new leader says so there as it does in the images.
Result<DoorPorts> plan_door(Plan& plan, Way way);

/// HAProxy, and for Way::pgbouncer PgBouncer before it, as processes beside a cluster without TLS:
/// the checks and pools of config/haproxy.cfg and config/pgbouncer.ini. They end with the object.
class Door {
 public:
  /// Code::not_found names the package that is missing.
  static Result<std::unique_ptr<Door>> open(const Cluster& cluster, Way way, DoorPorts ports);
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  /// libpq conninfo of the one address that clients use, with the password.
  std::string conninfo() const;

 private:
  Door(const Cluster& cluster, Way way, DoorPorts ports)
      : cluster_(cluster), way_(way), ports_(ports) {}
  Status start(const std::string& name, std::vector<std::string> argv);
  Status write(const std::string& name, const std::string& text) const;

  const Cluster& cluster_;
  const Way way_;
  const DoorPorts ports_;
  std::vector<ProcessId> processes_;
};

/// Their configurations, for tests.
std::string haproxy_conf(const Plan& plan, DoorPorts ports);
std::string pgbouncer_conf(const std::string& dir, DoorPorts ports);

}  // namespace aurum::stack
