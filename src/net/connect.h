#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "runtime/async.h"

namespace aurum::net {

/// The first of these addresses that answers; `where` is for the error, Code::unavailable.
Task<Result<Socket>> connect_any(std::string where, std::vector<Endpoint> endpoints,
                                 Duration timeout);

}  // namespace aurum::net
