#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "base/result.h"

/// Where log lines go. Private to the logger; used by its writing thread alone.
namespace aurum::runtime {

/// Standard output, or patroni.log which is rotated: patroni.log.1 is the newest old one,
/// patroni.log.<backups> the oldest. Sizes in bytes; 0 of either number means never to rotate.
class LogOutput {
 public:
  /// Writes to a descriptor somebody else owns (1 = standard output).
  explicit LogOutput(int descriptor) : descriptor_(descriptor) {}
  static Result<LogOutput> file(std::filesystem::path path, std::size_t max_size, int backups,
                                int mode);
  LogOutput(LogOutput&& other) noexcept;
  LogOutput& operator=(LogOutput&&) = delete;
  ~LogOutput();

  /// True when a line can be written without waiting for a reader; waits for that at most
  /// `wait_ms`.
  bool ready(int wait_ms) const;
  /// Writes the line whole, or says false (EPIPE, ENOSPC, …): it is lost.
  bool write(std::string_view line);

 private:
  void rotate();

  int descriptor_ = -1;
  bool owned_ = false;
  std::filesystem::path path_;
  std::size_t size_ = 0;
  std::size_t max_size_ = 0;
  int backups_ = 0;
  int mode_ = 0666;
};

}  // namespace aurum::runtime
