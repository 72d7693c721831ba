#include "fence/processes.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
extern "C" {
#include <sys/pidfd.h>
}

namespace aurum::fence {

namespace {

FileIdentity identity(pid_t pid, const char* link) {
  std::array<char, 40> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/%s", static_cast<int>(pid), link);
  struct stat facts{};
  if (::stat(path.data(), &facts) != 0) return {};
  return {facts.st_dev, facts.st_ino};
}

/// linux_dirent64 as getdents64(2) describes it.
struct Entry {
  std::uint64_t inode;
  std::int64_t next;
  std::uint16_t length;
  std::uint8_t type;
};
constexpr std::size_t kNameOffset = offsetof(Entry, type) + 1;

}  // namespace

bool read_process(pid_t pid, ProcessFacts& facts) {
  std::array<char, 40> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", static_cast<int>(pid));
  int fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  std::array<char, 1024> text{};
  ssize_t n = ::read(fd, text.data(), text.size() - 1);
  ::close(fd);
  if (n <= 0) return false;
  // The name in parentheses may itself hold blanks and parentheses: fields are counted from the
  // last one.
  const char* at = std::strrchr(text.data(), ')');
  if (at == nullptr || at[1] != ' ') return false;
  facts.pid = pid;
  facts.state = at[2];
  char* rest = const_cast<char*>(at) + 3;
  facts.parent = static_cast<pid_t>(std::strtol(rest, &rest, 10));
  for (int field = 5; field < 22; ++field) std::strtoll(rest, &rest, 10);
  facts.started = std::strtoull(rest, nullptr, 10);
  return true;
}

FileIdentity program_of(pid_t pid) { return identity(pid, "exe"); }
FileIdentity directory_of(pid_t pid) { return identity(pid, "cwd"); }

bool ProcessList::rewind() {
  at_ = filled_ = 0;
  if (fd_ < 0) fd_ = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd_ >= 0 && ::lseek(fd_, 0, SEEK_SET) == 0;
}

pid_t ProcessList::next() {
  while (true) {
    if (at_ >= filled_) {
      long n = ::syscall(SYS_getdents64, fd_, entries_.data(), entries_.size());
      if (n <= 0) return 0;
      at_ = 0;
      filled_ = static_cast<std::size_t>(n);
    }
    Entry entry{};
    std::memcpy(&entry, entries_.data() + at_, kNameOffset);
    const char* name = entries_.data() + at_ + kNameOffset;
    at_ += entry.length;
    if (name[0] >= '1' && name[0] <= '9') return static_cast<pid_t>(std::strtol(name, nullptr, 10));
  }
}

bool signal_process(const ProcessFacts& facts, int signo) {
  int fd = ::pidfd_open(facts.pid, 0);
  if (fd < 0) return false;
  ProcessFacts now;
  bool same = read_process(facts.pid, now) && now.started == facts.started;
  bool sent = same && ::pidfd_send_signal(fd, signo, nullptr, 0) == 0;
  ::close(fd);
  return sent;
}

}  // namespace aurum::fence
