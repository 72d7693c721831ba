#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "stack/account.h"

/// Processes that outlive the command which started them, and how they are found again.
namespace aurum::stack {

/// One process, for ever: a pid comes back for another program, a pid with its start time does not.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start = 0;  ///< clock ticks since boot, /proc/PID/stat field 22 (proc(5))
  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

struct ProcessInfo {
  ProcessId id;
  pid_t parent = 0;
  char state = '?';
  std::string name;  ///< at most 15 characters (comm)
};

struct Launch {
  std::vector<std::string> argv;         ///< argv[0] is a path
  std::vector<std::string> environment;  ///< "NAME=value", laid over ours
  std::filesystem::path working_dir = "/";
  std::filesystem::path log_file;  ///< both outputs are appended to it
  std::string network_namespace;   ///< a name under /run/netns; "" = ours
};

/// Starts it as `account` in a session of its own, adopted by init: it goes on when we end. Returns
/// once the program has been executed; a program that cannot be is an error here, not a line in its
/// log.
Result<ProcessId> launch(const Launch& what, const Account& account);

std::optional<ProcessInfo> inspect(pid_t pid);  ///< nothing when it is gone
bool alive(ProcessId id);                       ///< a zombie is not alive
/// Sends `signal` through a pidfd to exactly this process; false when it is gone.
bool send_signal(ProcessId id, int signal);
/// Waits until it is gone; false at the deadline.
bool wait_gone(ProcessId id, Duration timeout);

std::vector<ProcessInfo> process_table();
/// `roots` and everything below them, as far as it lives.
std::vector<ProcessId> with_descendants(const std::vector<ProcessId>& roots);
/// Processes whose working directory is `dir`: a postmaster and all its children stay in their
/// PGDATA.
std::vector<ProcessId> working_in(const std::filesystem::path& dir);
/// Processes whose environment holds the line `assignment` ("NAME=value").
std::vector<ProcessId> with_environment(std::string_view assignment);

/// Ends all that `find` finds at one moment, as a power cut would: all are stopped first, then
/// killed, and the search is repeated until it finds nothing, so that none has time to react. False
/// when some remain.
bool kill_all(const std::function<std::vector<ProcessId>()>& find);

Status write_pid_file(const std::filesystem::path& file, ProcessId id);
/// The process a pid file speaks of, only if that one is alive.
std::optional<ProcessId> read_pid_file(const std::filesystem::path& file);

}  // namespace aurum::stack
