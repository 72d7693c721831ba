#pragma once

#include <string>

#include "api/caller.h"

namespace aurum::api {

/// What the log keeps of a write, done or refused: who, from where, what, the keys of the dynamic
/// configuration that it changes, and what it was answered. Nothing that the caller wrote but the
/// path and names of keys: bodies, queries and values may hold secrets.
std::string audit_line(const Call& call, int status);

}  // namespace aurum::api
