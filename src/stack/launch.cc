#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "stack/process.h"

namespace aurum::stack {

namespace {

/// Everything the child needs, made before fork: only calls that are safe after fork in a process
/// with threads (signal-safety(7)) come between fork and exec.
struct Prepared {
  std::vector<std::string> environment;
  std::vector<char*> argv, envp;
  int log = -1, null = -1, netns = -1, report = -1;
};

struct Report {
  pid_t pid = 0;
  int error = 0;
  int step = 0;  ///< 0 started, 1 namespace, 2 account, 3 folder, 4 exec
};

[[noreturn]] void give_up(int fd, int step) {
  Report report{0, errno, step};
  (void)!::write(fd, &report, sizeof report);
  ::_exit(127);
}

[[noreturn]] void become(const Launch& what, const Account& account, const Prepared& p) {
  ::setsid();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int s : {SIGPIPE, SIGINT, SIGHUP, SIGTERM, SIGCHLD}) ::signal(s, SIG_DFL);
  ::umask(077);
  if (p.netns >= 0 && ::setns(p.netns, CLONE_NEWNET) != 0) give_up(p.report, 1);
  if (account.drop && (::setgroups(account.groups.size(), account.groups.data()) != 0 ||
                       ::setgid(account.gid) != 0 || ::setuid(account.uid) != 0)) {
    give_up(p.report, 2);
  }
  if (::chdir(what.working_dir.c_str()) != 0) give_up(p.report, 3);
  ::dup2(p.null, 0);
  ::dup2(p.log, 1);
  ::dup2(p.log, 2);
  // Descriptors of the caller (a terminal, a test's sockets) must not live on in a daemon.
  ::close_range(3, static_cast<unsigned>(p.report) - 1, 0);
  ::close_range(static_cast<unsigned>(p.report) + 1, ~0U, 0);
  ::execve(p.argv[0], p.argv.data(), p.envp.data());
  give_up(p.report, 4);
}

void build_environment(const Launch& what, Prepared& p) {
  auto name_of = [](std::string_view line) { return line.substr(0, line.find('=')); };
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view name = name_of(*e);
    // Settings for the caller's own client or agent must not reach the cluster.
    if (name.starts_with("PG") || name.starts_with("PATRONI") || name.starts_with("ETCD") ||
        name == "NOTIFY_SOCKET") {
      continue;
    }
    bool replaced = false;
    for (const auto& own : what.environment) replaced = replaced || name_of(own) == name;
    if (!replaced) p.environment.emplace_back(*e);
  }
  p.environment.insert(p.environment.end(), what.environment.begin(), what.environment.end());
  for (auto& line : p.environment) p.envp.push_back(line.data());
  p.envp.push_back(nullptr);
}

}  // namespace

Result<ProcessId> launch(const Launch& what, const Account& account) {
  Prepared p;
  std::vector<std::string> argv = what.argv;
  for (auto& word : argv) p.argv.push_back(word.data());
  p.argv.push_back(nullptr);
  build_environment(what, p);

  int channel[2] = {-1, -1};
  const std::string netns = "/run/netns/" + what.network_namespace;
  p.null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  p.log = ::open(what.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int log_error = errno;
  if (!what.network_namespace.empty()) p.netns = ::open(netns.c_str(), O_RDONLY | O_CLOEXEC);
  auto close_all = [&] {
    for (const int fd : {p.null, p.log, p.netns, channel[0], channel[1]}) {
      if (fd >= 0) ::close(fd);
    }
  };
  if (p.log < 0 || p.null < 0 || ::pipe2(channel, O_CLOEXEC) != 0) {
    close_all();
    return fail(Code::io, fmt::format("cannot write {}: {}", what.log_file.string(),
                                      std::strerror(log_error)));
  }
  if (!what.network_namespace.empty() && p.netns < 0) {
    close_all();
    return fail(Code::not_found, fmt::format("no network namespace {}", what.network_namespace));
  }
  if (account.drop) (void)!::fchown(p.log, account.uid, account.gid);
  p.report = channel[1];

  // Two forks: the middle one ends at once, so init adopts and reaps the daemon.
  const pid_t middle = ::fork();
  if (middle < 0) {
    close_all();
    return fail(Code::io, fmt::format("cannot fork: {}", std::strerror(errno)));
  }
  if (middle == 0) {
    const pid_t child = ::fork();
    if (child == 0) become(what, account, p);
    Report report{child, child < 0 ? errno : 0, 0};
    (void)!::write(p.report, &report, sizeof report);
    ::_exit(0);
  }
  ::close(channel[1]);
  channel[1] = -1;
  int status = 0;
  while (::waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }
  pid_t pid = 0;
  Report report, failure;
  // The pipe closes when exec succeeds; each report is far below PIPE_BUF and comes whole.
  for (ssize_t n = 0; (n = ::read(channel[0], &report, sizeof report)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n != sizeof report) break;
    if (report.pid > 0) pid = report.pid;
    if (report.error != 0) failure = report;
  }
  close_all();
  if (failure.error != 0) {
    static constexpr const char* kSteps[] = {"fork for", "enter the network namespace of",
                                             "change user for", "enter the folder of", "run"};
    return fail(Code::io, fmt::format("cannot {} {}: {}", kSteps[failure.step], what.argv[0],
                                      std::strerror(failure.error)));
  }
  const auto info = inspect(pid);
  // It may have ended within these microseconds; its log says why, and alive() will say no.
  return info ? info->id : ProcessId{pid, 0};
}

}  // namespace aurum::stack
