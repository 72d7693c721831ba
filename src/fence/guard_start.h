#pragma once

#include <string>
#include <sys/types.h>

#include "base/result.h"
#include "fence/guard.h"

/// What the guard does before its loop. Private to guard.cc.
namespace aurum::fence {

/// Background process of its own, parent of orphans, hard to starve or to kill. What is not
/// permitted is left out, and told in one line. Returns the oom_score_adj we had.
int harden_process();
/// The one guard of the run directory: a descriptor that holds the lock; Code::exists names the
/// other.
Result<int> take_lock(const std::filesystem::path& run_dir);
/// Listening SOCK_SEQPACKET socket, mode 0600. A stale one is replaced: call it with the lock held.
Result<int> listen_in(const std::filesystem::path& run_dir);
/// Leaves the caller's process; false in the process that is to go on as guard. `report` then is
/// where it says that it is ready (one byte) or why not (text); in the caller `exit_code` is what
/// to return.
Result<bool> split_off(int& report, int& exit_code);
/// One line on standard error with time and level, never waiting for a reader.
void guard_log(const char* level, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace aurum::fence
