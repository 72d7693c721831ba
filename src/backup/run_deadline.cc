#include "backup/run_deadline.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backup/scratch_sweep.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace {

constexpr Duration kLook = milliseconds(100);
/// pgBackRest tells its helpers on other hosts on SIGTERM, if it is not stuck.
constexpr Duration kTermGrace = milliseconds(400);
constexpr int kEnded = 255, kNotStarted = 127;

[[noreturn]] void become(char* const* argv) {
  std::signal(SIGPIPE, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() == 1) ::_exit(kNotStarted);
  ::execvp(argv[0], argv);
  fmt::print(stderr, "ERROR: cannot run {}: {}\n", argv[0], std::strerror(errno));
  ::_exit(kNotStarted);
}

struct Run {
  std::filesystem::path until, scratch;  ///< "" = none
  std::vector<std::filesystem::path> watched;
  pid_t parent = 0;
  char** program = nullptr;
};

std::optional<Run> parse(int argc, char** argv) {
  Run out;
  int i = 1;
  for (; i + 1 < argc && std::string_view(argv[i]).starts_with("--"); i += 2) {
    const std::string_view name = argv[i], value = argv[i + 1];
    if (name == "--until") {
      out.until = value;
    } else if (name == "--watch") {
      out.watched.emplace_back(value);
    } else if (name == "--scratch") {
      out.scratch = value;
    } else if (name == "--parent") {
      std::from_chars(value.data(), value.data() + value.size(), out.parent);
    } else {
      return std::nullopt;
    }
  }
  if (i >= argc || out.parent <= 0) return std::nullopt;
  out.program = argv + i;
  return out;
}

/// Waits for the child, at most `limit`; its exit code when it has ended.
std::optional<int> wait_for(pid_t child, int pidfd, Duration limit) {
  pollfd watched{pidfd, POLLIN, 0};
  ::poll(&watched, 1, static_cast<int>(to_ms(limit)));
  int status = 0;
  if (::waitpid(child, &status, WNOHANG) != child) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

FileMarks marks_of(const std::vector<std::filesystem::path>& files) {
  FileMarks out;
  for (const auto& file : files) {
    struct stat facts{};
    if (::stat(file.c_str(), &facts) != 0) facts = {};
    out.emplace_back(facts.st_ino, facts.st_mtim.tv_sec * 1'000'000'000L + facts.st_mtim.tv_nsec);
  }
  return out;
}

int watch(const Run& run, pid_t child) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  ReplacedFiles replaced(marks_of(run.watched));
  for (;;) {
    if (const auto code = wait_for(child, pidfd, kLook)) return *code;
    if (replaced.settled(marks_of(run.watched))) ::kill(child, SIGHUP);
    const bool orphaned = ::getppid() != run.parent;
    const bool allowed = run.until.empty() || runtime::now() < read_run_deadline(run.until);
    if (!orphaned && allowed) continue;
    // Not by fmt::print, which throws when nobody reads it any more.
    std::fputs(orphaned ? "ERROR: [255]: ended: its agent has gone\n"
                        : "ERROR: [255]: ended: the backup lock was lost\n",
               stderr);
    ::kill(child, SIGTERM);
    if (!wait_for(child, pidfd, kTermGrace)) {
      ::kill(child, SIGKILL);
      wait_for(child, pidfd, kTermGrace);
    }
    return kEnded;
  }
}

}  // namespace

bool ReplacedFiles::settled(FileMarks now) {
  const bool same = now == seen_;
  seen_ = std::move(now);
  if (!same || seen_ == told_) return false;
  told_ = seen_;
  return true;
}

Result<RunDeadline> RunDeadline::create(const std::filesystem::path& folder,
                                        std::string_view name) {
  auto file = folder / fmt::format("{}-{}.until", name, ::getpid());
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail(Code::io, fmt::format("cannot make {}: {}", file.string(), std::strerror(errno)));
  return RunDeadline(std::move(file), fd);
}

RunDeadline::RunDeadline(RunDeadline&& other) noexcept
    : file_(std::move(other.file_)), fd_(std::exchange(other.fd_, -1)) {}

RunDeadline::~RunDeadline() {
  if (fd_ < 0) return;
  ::unlink(file_.c_str());
  ::close(fd_);
}

void RunDeadline::move_to(Instant until) {
  // Eight bytes at once: a reader sees the old or the new ones. A failure leaves the old ones.
  (void)!::pwrite(fd_, &until.ns, sizeof until.ns, 0);
}

Instant read_run_deadline(const std::filesystem::path& file) {
  Instant out;
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const auto got = ::pread(fd, &out.ns, sizeof out.ns, 0);
  ::close(fd);
  return got == static_cast<ssize_t>(sizeof out.ns) ? out : Instant{};
}

int backup_run_main(int argc, char** argv) {
  const auto run = parse(argc, argv);
  if (!run) {
    const bool asked = argc == 2 && std::string_view(argv[1]) == "--help";
    std::fputs(
        "Usage: aurum backup-run --parent PID [--until FILE] [--watch FILE]...\n"
        "                        [--scratch DIR] PROGRAM ...\n\n"
        "Runs pgBackRest, and ends it when its agent has gone or has lost the cluster's\n"
        "backup lock; tells it when a watched file is another one. The agent starts it;\n"
        "nobody else needs to.\n",
        asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  // Who has gone reads no messages either, and there is work to do then.
  std::signal(SIGPIPE, SIG_IGN);
  const pid_t child = ::fork();
  if (child < 0) {
    fmt::print(stderr, "ERROR: cannot start {}: {}\n", run->program[0], std::strerror(errno));
    return kNotStarted;
  }
  if (child == 0) become(run->program);
  const int code = watch(*run, child);
  if (run->scratch.empty()) return code;
  const auto swept = sweep_scratch(run->scratch);
  if (!swept) std::fputs(("ERROR: " + swept.error().text() + "\n").c_str(), stderr);
  return code;
}

}  // namespace aurum::backup
