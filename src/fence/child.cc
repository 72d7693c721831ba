#include "fence/child.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

namespace aurum::fence {

namespace {

/// Between fork and exec: async-signal-safe calls only. Says errno through `report`.
[[noreturn]] void become(const char* working_dir, char** argv, char** env, int oom_score,
                         int report) {
  auto give_up = [report] {
    int why = errno;
    if (::write(report, &why, sizeof why) != sizeof why) ::_exit(126);
    ::_exit(127);
  };
  ::setsid();
  for (int signo = 1; signo < NSIG; ++signo) ::signal(signo, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    char text[16];
    int length = std::snprintf(text, sizeof text, "%d", oom_score);
    if (::write(fd, text, static_cast<std::size_t>(length)) != length) errno = 0;  // as it is, then
    ::close(fd);
  }
  if (int null = ::open("/dev/null", O_RDONLY); null != STDIN_FILENO) {
    if (::dup2(null, STDIN_FILENO) < 0) give_up();
  }
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) give_up();
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (working_dir[0] != '\0' && ::chdir(working_dir) != 0) give_up();
  ::execvpe(argv[0], argv, env);
  give_up();
  ::_exit(127);
}

}  // namespace

Result<pid_t> start_child(const char* working_dir, char** argv, char** env, int oom_score) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0)
    return fail(Code::io, std::string("cannot make a pipe: ") + std::strerror(errno));
  pid_t pid = ::fork();
  if (pid == 0) become(working_dir, argv, env, oom_score, report[1]);
  int why = pid < 0 ? errno : 0;
  ::close(report[1]);
  if (pid > 0 && ::read(report[0], &why, sizeof why) != sizeof why)
    why = 0;  // closed by a successful exec
  ::close(report[0]);
  if (why == 0) return pid;
  // A failed child is reaped with the other orphans.
  return fail(why == ENOENT   ? Code::not_found
              : why == EACCES ? Code::permission
                              : Code::io,
              std::string("cannot start ") + argv[0] + ": " + std::strerror(why));
}

}  // namespace aurum::fence
