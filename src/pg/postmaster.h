#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/async.h"

/// The postmaster as a process: who it is, whether it lives, when it ends.
namespace aurum::pg {

/// postmaster.pid (https://www.postgresql.org/docs/15/storage-file-layout.html; lines 1-8 of
/// miscadmin.h's LOCK_FILE_LINE_*).
struct PostmasterPid {
  int pid = 0;
  std::string data_dir;
  std::int64_t start_epoch = 0;
  int port = 0;
  std::string socket_dir;      ///< first of unix_socket_directories; "" = none
  std::string listen_address;  ///< first that it listens on; "*" for all; "" = none
  std::string status;          ///< starting | stopping | ready | standby; "" if not yet written
};
/// Unset when there is no pid in it. A single-user server has a negative pid in the file: unset
/// too.
std::optional<PostmasterPid> parse_postmaster_pid(std::string_view text);

/// What /proc/<pid>/stat says of a process.
struct ProcessStat {
  char state = 0;                 ///< R S D T t Z X …
  std::uint64_t start_ticks = 0;  ///< since boot: names the process together with its pid
};
std::optional<ProcessStat> parse_process_stat(std::string_view text);
std::optional<ProcessStat> read_process(int pid);

/// The postmaster that works on `data_dir`, if one lives: its lock file names a process that is no
/// zombie, and that process works in the data directory (a reused pid does not, F55). Where
/// /proc/<pid>/cwd may not be read, the process must not be younger than the lock file.
struct LivePostmaster {
  PostmasterPid file;
  ProcessStat process;
};
std::optional<LivePostmaster> find_postmaster(const std::filesystem::path& data_dir);

/// Processes of PostgreSQL that work in the data directory, the postmaster among them.
std::vector<int> processes_in(const std::filesystem::path& data_dir);

/// Ends when the process has ended (also as a zombie) or the timeout passed; whether it has.
runtime::Task<bool> wait_process_end(int pid, Duration timeout);

}  // namespace aurum::pg
