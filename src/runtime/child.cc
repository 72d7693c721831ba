#include "runtime/child.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>
extern "C" {
#include <sys/pidfd.h>
}

#include <fmt/format.h>

namespace aurum::runtime {

namespace {

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

/// Both ends above 2: in a process without standard streams a pipe could otherwise become one of
/// them.
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return fail(Code::io, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  for (Descriptor* end : {&pipe.read_end, &pipe.write_end}) {
    if (end->get() > 2) continue;
    *end = Descriptor(::fcntl(end->get(), F_DUPFD_CLOEXEC, 3));
    if (end->get() < 0)
      return fail(Code::io, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  }
  return pipe;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

/// posix_spawn's two objects, released in any case.
struct SpawnPlan {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
};

int plan(SpawnPlan& plan, const ProcessSpec& spec, int in, int out, int err) {
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  int bad = ::posix_spawnattr_setflags(
      &plan.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  bad |= ::posix_spawnattr_setpgroup(&plan.attributes, 0);
  bad |= ::posix_spawnattr_setsigmask(&plan.attributes, &none);
  bad |= ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
  bad |= in >= 0 ? ::posix_spawn_file_actions_adddup2(&plan.actions, in, 0)
                 : ::posix_spawn_file_actions_addopen(&plan.actions, 0, "/dev/null", O_RDONLY, 0);
  bad |= ::posix_spawn_file_actions_adddup2(&plan.actions, out, 1);
  bad |= ::posix_spawn_file_actions_adddup2(&plan.actions, err, 2);
  bad |= ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, 3);
  if (!spec.working_dir.empty())
    bad |= ::posix_spawn_file_actions_addchdir_np(&plan.actions, spec.working_dir.c_str());
  return bad;
}

tl::unexpected<Error> not_started(const ProcessSpec& spec, int why) {
  const auto& program = spec.argv.front();
  if (!spec.working_dir.empty() && ::access(spec.working_dir.c_str(), X_OK) != 0)
    return fail(Code::io, fmt::format("cannot run {} in {}: {}", program, spec.working_dir,
                                      std::strerror(errno)));
  Code code = why == ENOENT ? Code::not_found : why == EACCES ? Code::permission : Code::io;
  return fail(code, fmt::format("cannot run {}: {}", program, std::strerror(why)),
              why == ENOENT ? "Install the program, or name the directory it is in." : "");
}

}  // namespace

Result<Child> Child::start(const ProcessSpec& spec) {
  if (spec.argv.empty() || spec.argv.front().empty())
    return fail(Code::invalid, "no program to run");
  auto in = spec.input.empty() ? Result<Pipe>(Pipe{}) : make_pipe();
  auto out = make_pipe();
  auto err = make_pipe();
  for (auto* pipe : {&in, &out, &err})
    if (!*pipe) return fail(pipe->error());

  SpawnPlan spawn;
  if (plan(spawn, spec, in->read_end.get(), out->write_end.get(), err->write_end.get()) != 0)
    return fail(Code::internal, fmt::format("cannot prepare to run {}", spec.argv.front()));
  auto argv = spec.argv;
  auto env = spec.env.value_or(std::vector<std::string>{});
  auto arguments = pointers(argv);
  auto variables = pointers(env);
  pid_t pid = -1;
  int why = ::posix_spawnp(&pid, argv.front().c_str(), &spawn.actions, &spawn.attributes,
                           arguments.data(), spec.env ? variables.data() : environ);
  if (why != 0) return not_started(spec, why);

  Child child;
  child.pid_ = pid;
  child.pidfd = Descriptor(::pidfd_open(pid, 0));
  if (child.pidfd.get() < 0)
    return fail(Code::io, fmt::format("cannot watch {}: {}", argv.front(), std::strerror(errno)));
  child.input = std::move(in->write_end);
  child.output = std::move(out->read_end);
  child.errors = std::move(err->read_end);
  return child;
}

Child::Child(Child&& other) noexcept
    : input(std::move(other.input)),
      output(std::move(other.output)),
      errors(std::move(other.errors)),
      pidfd(std::move(other.pidfd)),
      pid_(std::exchange(other.pid_, -1)) {}

Child::~Child() {
  if (pid_ < 0) return;
  kill_group();
  pollfd entry{pidfd.get(), POLLIN, 0};
  ::poll(
      &entry, 1,
      1000);  // SIGKILL takes effect at once, unless it hangs in the kernel: then it stays a zombie
  reap();
}

void Child::kill_group() {
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

std::optional<ProcessEnd> Child::reap() {
  siginfo_t info{};
  int outcome = 0;
  do outcome = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG);
  while (outcome != 0 && errno == EINTR);
  if (outcome == 0 && info.si_pid == 0) return std::nullopt;
  pid_ = -1;
  ProcessEnd end;
  bool exited = outcome == 0 && info.si_code == CLD_EXITED;
  end.signal = exited || outcome != 0 ? 0 : info.si_status;
  end.exit_code = outcome != 0 ? 255 : exited ? info.si_status : 128 + info.si_status;
  return end;
}

}  // namespace aurum::runtime
