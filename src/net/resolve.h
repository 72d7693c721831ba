#pragma once

#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "base/result.h"
#include "base/time.h"
#include "runtime/async.h"

namespace aurum::net {

using Endpoint = runtime::asio::ip::tcp::endpoint;

/// Addresses of a host. A numeric address is answered without asking anybody. A resolver that hangs
/// is left behind at the end of `timeout` (Code::unavailable); getaddrinfo itself can not be
/// stopped.
runtime::Task<Result<std::vector<Endpoint>>> resolve(std::string host, std::uint16_t port,
                                                     Duration timeout);

}  // namespace aurum::net
