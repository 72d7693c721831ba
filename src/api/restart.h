#pragma once

#include <tl/expected.hpp>

#include "api/reply.h"
#include "core/event.h"

namespace aurum::api {

/// Reads the body of POST /restart (PATRONI_COMPAT §2.6.1). Keys are checked in the order given;
/// the first failure wins.
tl::expected<core::RestartRequest, Refusal> read_restart(const model::Value& body, WallTime now,
                                                         bool paused);

}  // namespace aurum::api
