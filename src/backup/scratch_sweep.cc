#include "backup/scratch_sweep.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/time.h"
#include "pg/files.h"
#include "pg/postmaster.h"

namespace aurum::backup {

namespace {

/// A socket's whole path must fit into 107 bytes.
constexpr std::size_t kSocketDirMost = 80;
/// An immediate stop takes the postmaster up to 5 s; it removes its shared memory then.
constexpr Duration kImmediateStop = seconds(6), kKillTakes = seconds(2);
constexpr int kLooks = 10;
constexpr std::string_view kText = "a scratch restore\n";

void wait_for_end(int pid, Duration limit) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return;
  pollfd watched{fd, POLLIN, 0};
  ::poll(&watched, 1, static_cast<int>(to_ms(limit)));
  ::close(fd);
}

/// The same marker stands beside data directories whose clone did not end.
bool is_ours(int fd) {
  char text[64];
  const auto got = ::pread(fd, text, sizeof text, 0);
  return got >= 0 && std::string_view(text, static_cast<std::size_t>(got)) == kText;
}

}  // namespace

bool is_left_scratch(const fs::path& dir) {
  const auto text = pg::read_file(pg::outer_marker(dir));
  std::error_code ec;
  return (text && *text == kText) || fs::exists(dir / kScratchConf, ec);
}

Result<ScratchHold> ScratchHold::take(const fs::path& dir) {
  const auto marker = pg::outer_marker(dir);
  std::error_code ec;
  fs::create_directories(marker.parent_path(), ec);
  for (;;) {
    const int fd = ::open(marker.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
      return fail(Code::io,
                  fmt::format("cannot make {}: {}", marker.string(), std::strerror(errno)));
    struct stat facts{};
    const bool locked = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (locked && ::fstat(fd, &facts) == 0 && facts.st_nlink > 0) {
      const bool was_left = facts.st_size > 0;
      if (was_left && !is_ours(fd)) {
        ::close(fd);
        return fail(Code::exists, dir.string() + " is of a clone or restore of somebody else",
                    "Name an empty folder.");
      }
      // Without the text a folder that is left now looks like nobody's, and stays.
      if (!was_left && ::pwrite(fd, kText.data(), kText.size(), 0) < 0) {
        ::unlink(marker.c_str());
        ::close(fd);
        return fail(Code::io,
                    fmt::format("cannot write {}: {}", marker.string(), std::strerror(errno)));
      }
      return ScratchHold(marker, fd, was_left);
    }
    ::close(fd);
    if (!locked)
      return fail(Code::exists, fmt::format("somebody works in {} already", dir.string()),
                  "Wait for the end of that restore test, or name another folder.");
    // Its holder removed it between our opening and locking it.
  }
}

ScratchHold::ScratchHold(ScratchHold&& other) noexcept
    : marker_(std::move(other.marker_)),
      fd_(std::exchange(other.fd_, -1)),
      was_left_(other.was_left_) {}

ScratchHold::~ScratchHold() {
  if (fd_ >= 0) ::close(fd_);
}

void ScratchHold::forget() { ::unlink(marker_.c_str()); }

std::string scratch_socket_dir(const fs::path& dir) {
  if (dir.string().size() <= kSocketDirMost) return dir.string();
  return fmt::format("/tmp/aurum-{}-{:x}", ::getuid(),
                     std::hash<std::string>{}(dir.string()) & 0xffffffff);
}

std::vector<int> restores_into(const fs::path& dir) {
  const std::string ours = "--pg1-path=" + dir.string();
  std::vector<int> found;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/proc", ec)) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto command = pg::read_file(entry.path() / "cmdline");
    if (!command) continue;
    const std::string words = '\0' + *command + '\0';
    const bool pgbackrest =
        command->substr(0, command->find('\0')).find("pgbackrest") != std::string::npos;
    if (pgbackrest && words.find('\0' + ours + '\0') != std::string::npos)
      found.push_back(std::stoi(pid));
  }
  return found;
}

Status end_work_in(const fs::path& dir) {
  if (const auto server = pg::find_postmaster(dir)) {
    ::kill(server->file.pid, SIGQUIT);
    wait_for_end(server->file.pid, kImmediateStop);
  }
  for (int look = 0; look < kLooks; ++look) {
    auto pids = restores_into(dir);
    const auto servers = pg::processes_in(dir);
    pids.insert(pids.end(), servers.begin(), servers.end());
    if (pids.empty()) return {};
    for (const int pid : pids) ::kill(pid, SIGKILL);
    for (const int pid : pids) wait_for_end(pid, kKillTakes);
  }
  return fail(Code::unavailable, "something still works in " + dir.string());
}

Status sweep_scratch(const fs::path& dir) {
  std::error_code ec;
  if (!fs::exists(pg::outer_marker(dir), ec)) return {};
  auto hold = ScratchHold::take(dir);
  if (!hold) return hold.error().code == Code::exists ? Status{} : fail(hold.error());
  if (!hold->was_left()) {
    hold->forget();
    return {};
  }
  auto ended = end_work_in(dir);
  if (!ended) return ended;
  if (const fs::path sockets = scratch_socket_dir(dir); sockets != dir) fs::remove_all(sockets, ec);
  fs::remove_all(dir, ec);
  if (ec) return fail(Code::io, fmt::format("cannot remove {}: {}", dir.string(), ec.message()));
  hold->forget();
  return {};
}

}  // namespace aurum::backup
