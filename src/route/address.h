#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/resolve.h"
#include "runtime/async.h"

namespace aurum::route {

struct Address {
  std::string host;  ///< as a certificate calls it
  int port = 0;
  std::vector<net::Endpoint> endpoints;
};

/// Of "host:port", looked up. Errors as of model::parse_listen and net::resolve.
runtime::Task<Result<Address>> look_up(std::string where, Duration timeout);

}  // namespace aurum::route
