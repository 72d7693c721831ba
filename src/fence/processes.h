#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <sys/types.h>

/// The processes of this machine as /proc shows them (proc(5)), read without allocation: the kill
/// path stands on it.
namespace aurum::fence {

/// What /proc/<pid>/stat says. The start time (clock ticks since boot) tells a process from a later
/// one of its pid.
struct ProcessFacts {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';  ///< R S D T Z X …
  std::uint64_t started = 0;
  bool dead() const { return state == 'Z' || state == 'X'; }
};
/// False when there is no such process.
bool read_process(pid_t pid, ProcessFacts& facts);

/// The file behind /proc/<pid>/exe or /proc/<pid>/cwd.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool known() const { return inode != 0; }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity program_of(pid_t pid);
FileIdentity directory_of(pid_t pid);

/// Calls `visit(facts)` for each process, in order of pid as a rule.
class ProcessList {
 public:
  template <class F>
  void for_each(F visit) {
    if (!rewind()) return;
    ProcessFacts facts;
    for (pid_t pid = next(); pid != 0; pid = next())
      if (read_process(pid, facts)) visit(facts);
  }

 private:
  bool rewind();
  pid_t next();  ///< 0 at the end

  int fd_ = -1;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  alignas(8) std::array<char, 16384> entries_{};
};

/// SIGKILL or another signal to exactly the process that was looked at, also when its pid has been
/// given away.
bool signal_process(const ProcessFacts& facts, int signo);

}  // namespace aurum::fence
