#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/resolve.h"
#include "runtime/async.h"

namespace aurum::route {

/// One door behind a name, of which a swarm has one on each node.
struct Address {
  std::string host;                      ///< as a certificate calls it
  std::vector<net::Endpoint> endpoints;  ///< one, or both loopback addresses of "localhost"
  /// "haproxy:9999", and where that is another word its address: "haproxy:9999 (10.0.1.7)".
  std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

/// All doors of "host:port", each with an address. Errors as of model::parse_listen and
/// net::resolve; unavailable where the name has none.
runtime::Task<Result<std::vector<Address>>> look_up(std::string where, Duration timeout);

}  // namespace aurum::route
