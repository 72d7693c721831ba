#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace aurum::backup {

/// Until when a run of pgBackRest may go on, in a file that `aurum backup-run` looks at: it ends
/// pgBackRest when the moment has passed or the process that made the file has gone, also when that
/// one is frozen or was killed.
class RunDeadline {
 public:
  /// Makes the file in `folder`, one of a name for each process; it is removed with the object.
  static Result<RunDeadline> create(const std::filesystem::path& folder,
                                    std::string_view name = "run");
  RunDeadline(RunDeadline&& other) noexcept;
  RunDeadline& operator=(RunDeadline&&) = delete;
  ~RunDeadline();

  const std::filesystem::path& file() const { return file_; }
  void move_to(Instant until);

 private:
  RunDeadline(std::filesystem::path file, int fd) : file_(std::move(file)), fd_(fd) {}
  std::filesystem::path file_;
  int fd_;
};

/// kNever's opposite, the beginning of time, when the file is not there.
Instant read_run_deadline(const std::filesystem::path& file);

/// What tells files from those that replaced them.
using FileMarks = std::vector<std::pair<std::uint64_t, std::int64_t>>;

/// Whether files were replaced, and all of them: a certificate and its key are two, and who reads
/// them in between finds a pair that does not fit.
class ReplacedFiles {
 public:
  explicit ReplacedFiles(FileMarks now) : told_(now), seen_(std::move(now)) {}
  /// At each look; true once when two in a row have found the same other files.
  bool settled(FileMarks now);

 private:
  FileMarks told_, seen_;
};

/// `aurum backup-run --parent PID [--until FILE] [--watch FILE]... [--scratch DIR] PROGRAM
/// [ARGUMENTS]`: its exit code is the program's, 255 when it had to be ended. When watched files
/// were replaced, the program gets SIGHUP. What the program left in the scratch folder goes when it
/// has ended, however that was (scratch_sweep.h).
int backup_run_main(int argc, char** argv);

}  // namespace aurum::backup
