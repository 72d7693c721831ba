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

/// HAProxy, and for Way::pgbouncer PgBouncer before it, as processes beside a cluster without TLS:
/// the checks and pools of config/haproxy.cfg and config/pgbouncer.ini, on free ports. They end
/// with the object.
class Door {
 public:
  /// Code::not_found names the package that is missing.
  static Result<std::unique_ptr<Door>> open(const Cluster& cluster, Way way);
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  /// libpq conninfo of the one address that clients use, with the password.
  std::string conninfo() const;

 private:
  Door(const Cluster& cluster, Way way) : cluster_(cluster), way_(way) {}
  Status start(const std::string& name, std::vector<std::string> argv);
  Status write(const std::string& name, const std::string& text) const;

  const Cluster& cluster_;
  const Way way_;
  std::uint16_t haproxy_port_ = 0, pgbouncer_port_ = 0;
  std::vector<ProcessId> processes_;
};

/// Their configurations, for tests.
std::string haproxy_conf(const Plan& plan, std::uint16_t port);
std::string pgbouncer_conf(const std::string& dir, std::uint16_t port, std::uint16_t haproxy_port);

}  // namespace aurum::stack
