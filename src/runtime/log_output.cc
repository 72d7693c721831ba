#include "runtime/log_output.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace aurum::runtime {

namespace {
/// What a pipe that polls as writable takes without blocking (PIPE_BUF, pipe(7)).
constexpr std::size_t kChunk = 4096;
constexpr int kChunkWaitMs = 1000;

int open_log(const std::filesystem::path& path, int mode) {
  return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, mode);
}
}  // namespace

Result<LogOutput> LogOutput::file(std::filesystem::path path, std::size_t max_size, int backups,
                                  int mode) {
  LogOutput output(-1);
  output.mode_ = mode == 0 ? 0666 : mode;
  output.descriptor_ = open_log(path, output.mode_);
  if (output.descriptor_ < 0)
    return fail(Code::io,
                fmt::format("cannot open log file {}: {}", path.string(), std::strerror(errno)),
                "Create the directory of log.dir and give this user the right to write there.");
  struct stat facts{};
  if (::fstat(output.descriptor_, &facts) == 0)
    output.size_ = static_cast<std::size_t>(facts.st_size);
  if (mode != 0) ::fchmod(output.descriptor_, static_cast<mode_t>(mode));
  output.owned_ = true;
  output.path_ = std::move(path);
  output.max_size_ = max_size;
  output.backups_ = backups;
  return output;
}

LogOutput::LogOutput(LogOutput&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      owned_(std::exchange(other.owned_, false)),
      path_(std::move(other.path_)),
      size_(other.size_),
      max_size_(other.max_size_),
      backups_(other.backups_),
      mode_(other.mode_) {}

LogOutput::~LogOutput() {
  if (owned_) ::close(descriptor_);
}

bool LogOutput::ready(int wait_ms) const {
  pollfd entry{descriptor_, POLLOUT, 0};
  // An error or a hang-up counts as ready: the write then fails at once and the line is counted as
  // lost.
  return ::poll(&entry, 1, wait_ms) > 0;
}

bool LogOutput::write(std::string_view line) {
  if (max_size_ > 0 && backups_ > 0 && size_ > 0 && size_ + line.size() > max_size_) rotate();
  while (!line.empty()) {
    if (!ready(kChunkWaitMs)) return false;
    ssize_t n = ::write(descriptor_, line.data(), std::min(line.size(), kChunk));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return false;
    size_ += static_cast<std::size_t>(n);
    line.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void LogOutput::rotate() {
  auto name = [this](int i) {
    return std::filesystem::path(path_.string() + "." + std::to_string(i));
  };
  std::error_code ignored;  // a name that cannot be moved is no reason to lose lines
  for (int i = backups_ - 1; i >= 1; --i) std::filesystem::rename(name(i), name(i + 1), ignored);
  std::filesystem::rename(path_, name(1), ignored);
  int fresh = open_log(path_, mode_);
  if (fresh < 0) return;  // goes on in the renamed file
  ::close(std::exchange(descriptor_, fresh));
  struct stat facts{};
  size_ = ::fstat(fresh, &facts) == 0 ? static_cast<std::size_t>(facts.st_size) : 0;
}

}  // namespace aurum::runtime
