#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <sys/types.h>

#include "base/result.h"
#include "fence/processes.h"

namespace aurum::fence {

/// The one server a guard has: a postmaster and everything below it. Lifecycle: none → postmaster
/// runs → postmaster gone, rest is swept → none. A server "lives" as long as one process of it does
/// (README, 3).
class Server {
 public:
  /// `oom_score`: oom_score_adj of the servers it starts (the guard's own before it lowered it).
  explicit Server(int oom_score) : oom_score_(oom_score) {}
  /// Starts it in a session of its own, without descriptors, signal settings or scheduling of ours;
  /// standard output and error go to the guard's standard error. `argv` and `env` end with a
  /// nullptr.
  Status launch(const char* working_dir, std::span<char*> argv, std::span<char*> env);
  /// Takes over a postmaster that somebody else started.
  Status adopt(pid_t pid);
  Status signal(int signo);
  /// A child of the guard that is no part of any server, with all below it: the agent.
  void spare(pid_t pid) { spared_ = pid; }

  bool lives() const { return pid_ != 0; }
  bool postmaster_runs() const { return pid_ != 0 && !ended_; }
  bool adopted() const { return adopted_; }
  pid_t pid() const { return pid_; }
  /// Readable when the postmaster has ended (zombie or gone); -1 = no postmaster.
  int pidfd() const { return ended_ ? -1 : pidfd_; }

  /// The postmaster has ended with this wait status. From now on sweep() is due.
  void postmaster_ended(int wait_status);
  /// One round of SIGKILL to the postmaster and everything below it. Calling it once decides the
  /// server's end: each sweep() goes on with it.
  void kill_everything();
  /// One round against what is left after kill_everything() or of a dead postmaster (then:
  /// processes that run its program, not what its archive command left behind). True = nothing is
  /// left, the server does not live any more.
  bool sweep();
  bool ending() const { return ended_ || killing_; }
  /// Wait status of the last postmaster, once it does not live any more.
  int last_status() const { return status_; }
  pid_t last_pid() const { return last_pid_; }
  /// How many processes the last kill_everything() found.
  int killed() const { return killed_; }
  /// Walks once without killing, so that no page of the kill path must be fetched from a disk
  /// later: at the guard's start, and again for each server, when there is somebody to signal.
  void rehearse();
  /// How many processes the last rehearsal found, and could have signalled.
  int rehearsed() const { return rehearsed_; }

 private:
  static constexpr std::size_t kMaxMembers = 8192;

  bool belongs(const ProcessFacts& facts) const;
  bool is_member(pid_t pid) const;
  void collect();
  void keep_dying();
  void hold_postmaster();
  void watch(pid_t pid, int pidfd, bool adopted);

  const int oom_score_;
  pid_t spared_ = 0;
  pid_t pid_ = 0;
  int pidfd_ = -1;
  bool adopted_ = false;
  bool ended_ = false;
  bool killing_ = false;
  int status_ = 0;
  pid_t last_pid_ = 0;
  int killed_ = 0;
  int rehearsed_ = 0;
  FileIdentity program_;
  FileIdentity directory_;  ///< of an adopted one
  ProcessList processes_;
  std::size_t count_ = 0;
  std::size_t signalled_ = 0;  ///< so many of the first members got SIGKILL in the last round
  std::array<ProcessFacts, kMaxMembers> members_{};
};

}  // namespace aurum::fence
