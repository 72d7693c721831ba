#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/async.h"

namespace aurum::pg {

using runtime::Task;

/// Starts and kills the postmaster. In the agent this is the guard (fence/), in tests a plain child
/// process.
class Launcher {
 public:
  virtual ~Launcher() = default;
  /// Starts the postmaster; its pid. It has a session of its own and survives the agent.
  virtual Task<Result<int>> launch(std::vector<std::string> argv, std::vector<std::string> env,
                                   std::string working_dir) = 0;
  /// Signal to the postmaster only (pidfd: never to a reused pid).
  virtual Status signal(int pid, int signo) = 0;
  /// SIGKILL to the postmaster and every process below it; ends when all are gone.
  virtual Task<Status> kill_all(int pid, Duration timeout) = 0;
  /// Takes care of a postmaster somebody else started: its exit is reported, it is killed at the
  /// deadline.
  virtual Task<Status> adopt(int pid) = 0;
  /// The last line a postmaster that has ended wrote to its standard error, "" when nobody kept it.
  /// It becomes the reason when a start fails.
  virtual std::string last_words(int pid) {
    static_cast<void>(pid);
    return {};
  }
};

}  // namespace aurum::pg
