#include "backup/bounded_call.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "backup/pgbackrest_error.h"
#include "runtime/clock.h"

namespace aurum::backup {
namespace {

constexpr std::size_t kKept = 8192;
constexpr Duration kLook = milliseconds(20);
/// pgBackRest takes its locks away on SIGTERM, if it is not stuck.
constexpr Duration kTermGrace = milliseconds(200);
constexpr int kNotStarted = 127;

/// Only calls that are safe after fork, in a process without threads.
[[noreturn]] void become(char* const* argv, int errors, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kNotStarted);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(null, 0);
  ::dup2(null, 1);
  ::dup2(errors, 2);
  ::execvp(argv[0], argv);
  constexpr std::string_view kWhy = "ERROR: cannot be run\n";
  (void)!::write(2, kWhy.data(), kWhy.size());
  ::_exit(kNotStarted);
}

void drain(int fd, std::string& into) {
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto n = ::read(fd, buffer.data(), buffer.size());
    if (n <= 0) break;
    into.append(buffer.data(), static_cast<std::size_t>(n));
    if (into.size() > 2 * kKept) into.erase(0, into.size() - kKept);
  }
}

class Running {
 public:
  Running(pid_t pid, int errors)
      : pid_(pid), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), errors_(errors) {}
  ~Running() {
    if (pidfd_ >= 0) ::close(pidfd_);
    ::close(errors_);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  /// Whether it ended within `wait`.
  bool ended(Duration wait) {
    pollfd watched{pidfd_, POLLIN, 0};
    const Instant until = runtime::now() + wait;
    do {
      const auto left = std::max<std::int64_t>(to_ms(until - runtime::now()), 0);
      ::poll(&watched, 1, static_cast<int>(left));
      drain(errors_, said_);
      if (::waitpid(pid_, &status_, WNOHANG) == pid_) return true;
    } while (runtime::now() < until);
    return false;
  }
  void kill(int signal) { ::kill(pid_, signal); }
  BoundedEnd end(bool hung) {
    drain(errors_, said_);
    if (said_.size() > kKept) said_.erase(0, said_.size() - kKept);
    const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
    return {.exit_code = hung ? 128 + SIGKILL : code, .hung = hung, .errors = std::move(said_)};
  }

 private:
  pid_t pid_;
  int pidfd_, errors_, status_ = 0;
  std::string said_;
};

BoundedEnd watch(Running& running, const BoundedCall& call) {
  Instant until = runtime::now() + call.timeout;
  bool hurried = false;
  for (;;) {
    const Instant now = runtime::now();
    if (!hurried && call.hurry && call.hurry()) {
      hurried = true;
      until = std::min(until, now + call.hurry_timeout);
    }
    if (now >= until) break;
    if (running.ended(std::min(kLook, until - now))) return running.end(false);
  }
  running.kill(SIGTERM);
  if (running.ended(kTermGrace)) return running.end(true);
  running.kill(SIGKILL);
  running.ended(kTermGrace);  // one that hangs in the kernel is left to init
  return running.end(true);
}

}  // namespace

std::string BoundedEnd::reason() const {
  if (hung) return "it did not end in time";
  if (auto reason = failure_reason(errors); !reason.empty()) return reason;
  return exit_code > 128 ? fmt::format("killed by signal {}", exit_code - 128)
                         : fmt::format("exit code {}", exit_code);
}

Result<BoundedEnd> run_bounded(const BoundedCall& call) {
  std::array<int, 2> errors{};
  if (::pipe2(errors.data(), O_CLOEXEC) != 0 || ::fcntl(errors[0], F_SETFL, O_NONBLOCK) != 0)
    return fail(Code::io, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  auto words = call.argv;
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    const int why = errno;
    ::close(errors[0]);
    ::close(errors[1]);
    return fail(Code::io, fmt::format("cannot start {}: {}", argv[0], std::strerror(why)));
  }
  if (pid == 0) become(argv.data(), errors[1], parent);
  ::close(errors[1]);
  Running running(pid, errors[0]);
  return watch(running, call);
}

}  // namespace aurum::backup
