#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

/// The guard's program (README.md of this room says what must stay true).
namespace aurum::fence {

struct GuardOptions {
  std::filesystem::path
      run_dir;  ///< an existing directory of ours (run_dir.h): page, socket and lock
  Duration grace = milliseconds(100);  ///< the server is killed at the page's deadline + grace
  Duration idle = seconds(30);         ///< ends when it had neither client nor server for so long
  Duration fast_stop =
      seconds(8);  ///< told to end: time of a fast shutdown before an immediate one
  Duration immediate_stop = seconds(5);  ///< then SIGKILL
  /// Goes to the background once the socket listens: the caller returns 0, or 1 after one line on
  /// standard output.
  bool detach = false;
  /// The agent's command: the guard is then the first process of a container, starts the agent and
  /// keeps it (kept_agent.h), hands it what signals it is sent, and ends when both are gone.
  std::vector<std::string> agent;
};

/// Runs until told to end or idle; 0, or 1 after one line saying why it could not start. With an
/// agent: the agent's exit code.
int run_guard(const GuardOptions& options);

/// `--run-dir DIR [--grace-ms N] [--idle-ms N] [--detach] [-- AGENT ...]`
Result<GuardOptions> parse_guard_options(std::span<char*> arguments);

}  // namespace aurum::fence
