#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/time.h"

namespace aurum::fence {

/// The agent as a child of the guard. It is started again when it dies: at once the first time,
/// then ever later, so that one which can not start does not eat the machine. One that ends by
/// itself while no server lives has a reason, such as a wrong configuration: it is not started
/// again, and the guard ends with its exit code.
class KeptAgent {
 public:
  KeptAgent(std::vector<std::string> command, int oom_score);

  bool exists() const { return !command_.empty(); }
  bool runs() const { return pid_ != 0; }
  pid_t pid() const { return pid_; }
  /// When it is to be started next; kNever when it runs or is not to be.
  Instant due() const;
  void start(Instant now);
  /// Its wait status, from the guard's waitpid.
  void ended(int wait_status, bool server_lives, Instant now);
  void signal(int signo) const;
  /// It is not started any more.
  void retire() { retired_ = true; }
  /// Ended for good.
  bool gone() const { return pid_ == 0 && retired_; }
  int exit_code() const { return exit_code_; }

 private:
  std::vector<std::string> command_;
  std::vector<char*> argv_;
  const int oom_score_;
  pid_t pid_ = 0;
  Instant started_;
  Instant next_{};
  Duration pause_{};
  bool retired_ = false;
  int exit_code_ = 0;
};

}  // namespace aurum::fence
