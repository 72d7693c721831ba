#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "model/config.h"

namespace aurum::agent {

/// What is wrong with this node's certificates at `now`, one line each: at its end, not begun, of
/// an authority that the other side does not know, a key that everybody may read. Files that can
/// not be read at all are somebody else's complaint where somebody has it (preflight.h).
///
/// Errors for --validate-config; an agent that starts says them and goes on: a member with an ended
/// certificate is better than none, and its PostgreSQL may be the one that takes writes.
std::vector<model::Finding> check_certificates(const model::LocalConfig& config,
                                               const std::string& source, WallTime now);

}  // namespace aurum::agent
