#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <sys/socket.h>

#include "base/result.h"
#include "base/time.h"

namespace aurum::stack {

/// One question and its answer on a connection of its own, blocking: until `complete` is true of
/// what came, or the other side closes. Errors say `where`: Code::unavailable when there is nobody,
/// timeout at `until`, protocol when there is too much.
Result<std::string> exchange(const sockaddr* to, socklen_t size, const std::string& where,
                             std::string_view request, Instant until,
                             const std::function<bool(std::string_view)>& complete);

}  // namespace aurum::stack
