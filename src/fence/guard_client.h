#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/async.h"

namespace aurum::fence {

using runtime::Task;

/// What the guard knows; `pid` 0 = no server lives.
struct GuardStatus {
  int pid = 0;
  bool postmaster_runs =
      false;  ///< false with a pid: only the rest of the server is left, it is being killed
  bool adopted = false;     ///< not started by this guard: its exit status will be unknown
  unsigned page_state = 0;  ///< LeasePage::state
  int last_pid = 0;         ///< the server that ended last, 0 = none since the guard started
  std::string last_status;  ///< how: "exited with code 1", "killed by signal 9", "ended with
                            ///< unknown status"
  long long kills = 0;
  int guard_pid = 0;
};

/// Starts `<program> guard` for this directory, detached: it outlives us and shares only our
/// standard error. Ends when its socket listens. Code::exists when one runs already. The program
/// file must be an absolute path.
Task<Status> spawn_guard(std::filesystem::path run_dir, std::string program, Duration grace,
                         Duration timeout);

/// The agent's side of a guard's socket, for one loop and thread; the methods have the shapes of
/// pg::Launcher. The object may be destroyed at any time but not while one of its coroutines is
/// suspended.
class GuardClient {
 public:
  struct Events {
    /// The server and every process of it is gone; how as in GuardStatus::last_status. May come
    /// before launch() of a server that failed at once has returned to its caller.
    std::function<void(int pid, std::string how)> on_exited;
    /// The connection broke: the guard died or dropped us. No other event follows; requests fail
    /// from then on.
    std::function<void()> on_lost;
  };

  /// Tries until the guard answers or time is up (Code::unavailable).
  static Task<Result<std::unique_ptr<GuardClient>>> connect(std::filesystem::path run_dir,
                                                            Duration timeout, Events events);
  ~GuardClient();

  Task<Result<int>> launch(std::vector<std::string> argv, std::vector<std::string> env,
                           std::string working_dir);
  Task<Status> adopt(int pid);
  /// Sends and does not wait: a signal that came too late shows as on_exited.
  Status signal(int pid, int signo);
  /// Ends when no process of the server is left; also when it was gone before.
  Task<Status> kill_all(int pid, Duration timeout);
  /// `tail`: so long before the page's deadline it is fed no more. Without a timeout: only looks
  /// whether it could be armed; with a negative one it is disarmed.
  Task<Status> watchdog(std::string device, std::string driver, Duration timeout, Duration tail);
  Task<Result<GuardStatus>> status();
  /// Ends the guard, whose place is free for another one afterwards. Code::rejected while a server
  /// lives.
  Task<Status> end(Duration timeout);

 private:
  struct State;
  explicit GuardClient(std::shared_ptr<State> state);
  /// Shared with the reading coroutine, which ends on its own after the destructor closed the
  /// socket.
  std::shared_ptr<State> state_;
};

}  // namespace aurum::fence
