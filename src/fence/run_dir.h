#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace aurum::fence {

struct RunDir {
  std::filesystem::path
      path;             ///< exists, ours, mode 0700; holds lease page, guard.sock and guard.lock
  std::string warning;  ///< not empty: it works, but the operator should know
};

/// Where the guard of this member lives: <base>/<scope>-<name> of the first base that can be used,
/// by default /run/aurum and /dev/shm/aurum-<uid>. One with a guard's socket in it comes first,
/// then one on a tmpfs: on a disk, writing back the page could hold up those who read it.
/// Characters that are no part of a file name are replaced.
Result<RunDir> choose_run_dir(std::string_view scope, std::string_view name,
                              std::vector<std::filesystem::path> bases = {});

/// The right of one agent to use a run directory: its guard and its page. It ends with the process.
class RunDirLock {
 public:
  /// Code::exists while another process holds it: its page would be written by two.
  static Result<RunDirLock> take(const std::filesystem::path& run_dir);
  RunDirLock(RunDirLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RunDirLock& operator=(RunDirLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~RunDirLock();

 private:
  explicit RunDirLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace aurum::fence
