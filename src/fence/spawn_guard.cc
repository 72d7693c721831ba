// Starting a guard that outlives us. Not by runtime::run_process: the guard keeps our standard
// error, where PostgreSQL's early messages go, while the one line of a failed start comes through a
// pipe.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "fence/guard_client.h"

namespace aurum::fence {

namespace asio = boost::asio;
using runtime::use_task;

namespace {

/// posix_spawn with a clean slate; standard output is `output`, standard error ours.
int spawn(pid_t& pid, std::vector<std::string> words, int output) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  int why = ::posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return why;
}

/// Until the starter has closed its end: it has ended, and so has the guard's start.
Task<void> read_to_end(asio::posix::stream_descriptor& pipe, std::string& text, bool& ended) {
  std::array<char, 1024> buffer{};
  while (text.size() < 4096) {
    auto [ec, n] = co_await pipe.async_read_some(asio::buffer(buffer), use_task);
    text.append(buffer.data(), n);
    if (ec) {
      ended = ec == asio::error::eof;
      co_return;
    }
  }
}

}  // namespace

Task<Status> spawn_guard(std::filesystem::path run_dir, std::string program, Duration grace,
                         Duration timeout) {
  using namespace asio::experimental::awaitable_operators;
  auto executor = co_await asio::this_coro::executor;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) co_return fail(Code::io, "cannot make a pipe");
  pid_t pid = -1;
  int why = spawn(pid,
                  {program, "guard", "--run-dir", run_dir.string(), "--grace-ms",
                   std::to_string(to_ms(grace)), "--detach"},
                  ends[1]);
  ::close(ends[1]);
  asio::posix::stream_descriptor pipe(executor, ends[0]);
  if (why != 0)
    co_return fail(Code::io, "cannot start the guard, " + program + ": " + std::strerror(why));

  std::string text;
  bool ended = false;
  asio::steady_timer timer(executor, timeout);
  co_await (read_to_end(pipe, text, ended) || timer.async_wait(use_task));
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  while (text.ends_with('\n')) text.pop_back();
  if (!ended)
    co_return fail(Code::timeout,
                   "the guard did not start within " + std::to_string(to_ms(timeout)) + " ms");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) co_return Status{};
  if (text.contains("another guard runs")) co_return fail(Code::exists, text);
  co_return fail(Code::io,
                 text.empty() ? "the guard did not start; its standard error says why" : text);
}

}  // namespace aurum::fence
