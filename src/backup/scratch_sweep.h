#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

/// Whose a scratch folder is, and what becomes of it when its owner is killed. All of it blocks on
/// the disk.
namespace aurum::backup {

namespace fs = std::filesystem;

/// Who works in a scratch folder: a lock on the marker beside it (pg::outer_marker), which the
/// kernel takes from the dead. A marker that nobody has locked tells of a folder that was left.
class ScratchHold {
 public:
  /// Code::exists while somebody else has it.
  static Result<ScratchHold> take(const fs::path& dir);
  ScratchHold(ScratchHold&& other) noexcept;
  ScratchHold& operator=(ScratchHold&&) = delete;
  ~ScratchHold();

  /// Whether the marker was there before: what stands in the folder is of a scratch restore.
  bool was_left() const { return was_left_; }
  /// The folder is gone, or is not a scratch folder any more.
  void forget();

 private:
  ScratchHold(fs::path marker, int fd, bool was_left)
      : marker_(std::move(marker)), fd_(fd), was_left_(was_left) {}
  fs::path marker_;
  int fd_;
  bool was_left_;
};

/// The configuration of a scratch server, in its folder.
inline constexpr const char* kScratchConf = "aurum.scratch.conf";
/// Where it listens: the folder itself, or one of a short name.
std::string scratch_socket_dir(const fs::path& dir);

/// Whether what stands in the folder is of a scratch restore.
bool is_left_scratch(const fs::path& dir);
/// The pgBackRests that restore into the folder.
std::vector<int> restores_into(const fs::path& dir);
/// Ends all that works in the folder: pgBackRest, and PostgreSQL. Code::unavailable when something
/// of it did not end in time.
Status end_work_in(const fs::path& dir);
/// What somebody left in a scratch folder goes, with all that still works there. Nothing is done
/// while somebody holds it, and to a folder that is none.
Status sweep_scratch(const fs::path& dir);

}  // namespace aurum::backup
