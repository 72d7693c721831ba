#pragma once

#include <sys/types.h>

#include "base/result.h"

namespace aurum::fence {

/// Starts a process in a session of its own, without descriptors, signal settings or scheduling of
/// ours; its standard output and error go to our standard error. `argv` and `env` end with a
/// nullptr; argv[0] is searched in PATH. Returns when the program runs.
Result<pid_t> start_child(const char* working_dir, char** argv, char** env, int oom_score);

}  // namespace aurum::fence
