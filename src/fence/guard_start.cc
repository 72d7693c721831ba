#include "fence/guard_start.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "fence/protocol.h"

namespace aurum::fence {

namespace {

/// What was there before, and whether it is `wanted` now.
std::pair<int, bool> swap_oom_score(const char* wanted) {
  std::array<char, 16> text{};
  int fd = ::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (fd < 0) return {0, false};
  ssize_t n = ::read(fd, text.data(), text.size());
  int before = 0;
  if (n > 0) std::from_chars(text.data(), text.data() + n, before);
  const bool taken = ::pwrite(fd, wanted, std::strlen(wanted), 0) >= 0;
  ::close(fd);
  return {before, taken};
}

tl::unexpected<Error> io_error(const std::string& what) {
  return fail(errno == EACCES ? Code::permission : Code::io, what + ": " + std::strerror(errno));
}

}  // namespace

int harden_process() {
  ::setsid();
  ::umask(077);
  ::tzset();
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::prctl(PR_SET_NAME, "aurum-guard");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const bool locked = ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
  sched_param priority{};
  priority.sched_priority = 1;
  const bool real_time = ::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &priority) == 0;
  const auto [oom_score, spared] = swap_oom_score("-1000");
  // A score that a unit or a container came with, as ours do, is nearly as good.
  const bool protected_enough = spared || oom_score < 0;
  if (!locked || !real_time || !protected_enough)
    guard_log("INFO", "not permitted here:%s%s%s (aurum doctor says how to)",
              locked ? "" : " locked memory;", real_time ? "" : " real-time priority;",
              protected_enough ? "" : " a low oom_score_adj;");
  return oom_score;
}

Result<int> take_lock(const std::filesystem::path& run_dir) {
  auto path = run_dir / kLockName;
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return io_error("cannot open " + path.string());
  std::array<char, 16> text{};
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    bool busy = errno == EWOULDBLOCK;
    ssize_t n = ::pread(fd, text.data(), text.size() - 1, 0);
    ::close(fd);
    if (!busy) return io_error("cannot lock " + path.string());
    return fail(Code::exists,
                "another guard runs for " + run_dir.string() + ": process " +
                    (n > 0 ? text.data() : "unknown"),
                "It is there for this member already: connect to it.");
  }
  int length = std::snprintf(text.data(), text.size(), "%d", static_cast<int>(::getpid()));
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, text.data(), static_cast<std::size_t>(length), 0) != length)
    return io_error("cannot write " + path.string());
  return fd;
}

Result<int> listen_in(const std::filesystem::path& run_dir) {
  auto path = run_dir / kSocketName;
  auto fresh = path.string() + ".new";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (fresh.size() >= sizeof address.sun_path)
    return fail(Code::invalid,
                "run directory " + run_dir.string() + " has too long a name for a socket in it",
                "Choose one of less than 90 characters.");
  std::memcpy(address.sun_path, fresh.c_str(), fresh.size() + 1);
  int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return io_error("cannot make a socket");
  ::unlink(fresh.c_str());
  // Under its name only when it listens: who sees it can connect.
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(fresh.c_str(), 0600) != 0 || ::listen(fd, 16) != 0 ||
      ::rename(fresh.c_str(), path.c_str()) != 0) {
    auto error = io_error("cannot listen on " + path.string());
    ::close(fd);
    return error;
  }
  return fd;
}

Result<bool> split_off(int& report, int& exit_code) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return io_error("cannot make a pipe");
  pid_t pid = ::fork();
  if (pid < 0) return io_error("cannot fork");
  if (pid == 0) {
    ::close(ends[0]);
    report = ends[1];
    return false;
  }
  ::close(ends[1]);
  std::array<char, 1024> text{};
  ssize_t n = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  exit_code = n == 1 && text[0] == '+' ? 0 : 1;
  if (exit_code != 0 && n > 0 &&
      ::write(STDOUT_FILENO, text.data(), static_cast<std::size_t>(n)) < 0)
    exit_code = 1;
  return true;
}

void guard_log(const char* level, const char* format, ...) {
  std::array<char, 768> line{};
  timespec at{};
  std::tm local{};
  ::clock_gettime(CLOCK_REALTIME, &at);
  ::localtime_r(&at.tv_sec, &local);
  std::size_t used = std::strftime(line.data(), line.size(), "%Y-%m-%d %H:%M:%S", &local);
  used += static_cast<std::size_t>(
      std::snprintf(line.data() + used, line.size() - used,
                    ",%03d %s: guard: ", static_cast<int>(at.tv_nsec / 1'000'000), level));
  std::va_list arguments;
  va_start(arguments, format);
  int n = std::vsnprintf(line.data() + used, line.size() - used - 1, format, arguments);
  va_end(arguments);
  if (n > 0) used = std::min(used + static_cast<std::size_t>(n), line.size() - 2);
  line[used++] = '\n';
  pollfd entry{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&entry, 1, 0) > 0 && ::write(STDERR_FILENO, line.data(), used) < 0) errno = 0;  // lost
}

}  // namespace aurum::fence
