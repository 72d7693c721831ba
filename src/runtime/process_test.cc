// Scenario: programs are run to their end, whatever they do: hang, die, leave children, write
// without limit.
#include "runtime/process.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/clock.h"

namespace aurum::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using End = Result<ProcessEnd>;

End run(ProcessSpec spec) {
  asio::io_context io(1);
  End end = fail(Code::internal, "never ended");
  asio::co_spawn(io, run_process(std::move(spec)), [&](std::exception_ptr problem, End result) {
    EXPECT_FALSE(problem);
    end = std::move(result);
  });
  io.run_for(seconds(20));
  return end;
}

End sh(std::string script) { return run({.argv = {"sh", "-c", std::move(script)}}); }

bool is_gone(int pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

/// Waits for the end of a process that is not our child (an orphan reaped by init).
bool is_gone_soon(int pid) {
  for (int i = 0; i < 500 && !is_gone(pid); ++i) ::usleep(10'000);
  return is_gone(pid);
}

TEST(run_process, gives_exit_code_and_both_outputs) {
  auto end = sh("echo out; echo first >&2; echo 'last word' >&2; exit 3");
  ASSERT_TRUE(end) << end.error().text();
  EXPECT_EQ(end->exit_code, 3);
  EXPECT_FALSE(end->ok());
  EXPECT_EQ(end->out, "out\n");
  EXPECT_EQ(end->reason(), "last word");
}

TEST(run_process, a_signal_is_told) {
  auto end = sh("kill -SEGV $$");
  ASSERT_TRUE(end);
  EXPECT_EQ(end->signal, SIGSEGV);
  EXPECT_EQ(end->exit_code, 128 + SIGSEGV);
  EXPECT_EQ(end->reason(), "killed by signal 11");
}

TEST(run_process, input_environment_and_directory_reach_it) {
  auto end = run({.argv = {"sh", "-c", "cat; echo $A; pwd"},
                  .env = {{"A=b"}},
                  .working_dir = "/",
                  .input = "in\n"});
  ASSERT_TRUE(end);
  EXPECT_EQ(end->out, "in\nb\n/\n");
}

TEST(run_process, unread_input_does_no_harm) {
  auto end = run({.argv = {"true"}, .input = std::string(1'000'000, 'x')});
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->ok());
}

TEST(run_process, without_input_it_reads_nothing) {
  auto end = run({.argv = {"cat"}});
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->ok());
}

TEST(run_process, missing_programs_and_directories_are_named) {
  auto program = run({.argv = {"no-such-program-of-ours"}});
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code, Code::not_found);
  EXPECT_THAT(program.error().message, HasSubstr("no-such-program-of-ours"));
  auto dir = run({.argv = {"true"}, .working_dir = "/no/such/dir"});
  ASSERT_FALSE(dir);
  EXPECT_THAT(dir.error().message, HasSubstr("/no/such/dir"));
  EXPECT_FALSE(run({.argv = {}}));
}

TEST(run_process, lines_end_at_newline_and_carriage_return) {
  std::vector<std::string> lines;
  auto end = run({.argv = {"printf", "1/3\\r2/3\\r\\nlast"},
                  .on_line = [&](std::string_view line) { lines.emplace_back(line); }});
  ASSERT_TRUE(end);
  EXPECT_THAT(lines, ElementsAre("1/3", "2/3", "last"));
}

TEST(run_process, keeps_only_the_end_of_endless_output) {
  auto end = sh("head -c 3000000 /dev/zero | tr '\\0' x; echo END");
  ASSERT_TRUE(end);
  EXPECT_EQ(end->out.size(), 65536);
  EXPECT_TRUE(end->out.ends_with("xEND\n"));
}

TEST(run_process, timeout_kills_the_whole_group) {
  std::string pid;
  auto before = now();
  auto end = run({.argv = {"sh", "-c", "sleep 100 & echo $!; wait"},
                  .timeout = milliseconds(300),
                  .on_line = [&](std::string_view line) { pid = line; }});
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::timeout);
  EXPECT_THAT(end.error().message, HasSubstr("sh did not end within 0.3 s"));
  EXPECT_LT(now() - before, seconds(5));
  ASSERT_FALSE(pid.empty());
  EXPECT_TRUE(is_gone_soon(std::stoi(pid)));
}

// A daemon left behind holds our pipe, as a server started by pg_ctl does.
TEST(run_process, does_not_wait_for_a_daemon_left_behind) {
  auto before = now();
  auto end = sh("setsid sleep 30 & echo $!");
  ASSERT_TRUE(end);
  EXPECT_LT(now() - before, seconds(10));
  ::kill(std::stoi(end->out), SIGKILL);
}

TEST(run_process, no_descriptor_and_no_signal_setting_of_ours_is_inherited) {
  int leak = ::open("/dev/null", O_RDONLY);
  sigset_t term;
  sigset_t old;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, &old);
  ::signal(SIGPIPE, SIG_IGN);
  auto end = run({.argv = {"sh", "-c",
                           "ls /proc/self/fd | wc -l; grep -E 'SigBlk|SigIgn' /proc/self/status"}});
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::close(leak);
  ASSERT_TRUE(end);
  // 0, 1, 2 and the directory that ls reads. Signals 32 and 33 are the C library's own.
  EXPECT_THAT(end->out, ::testing::MatchesRegex(
                            "4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000[01][08]0000000\n"));
}

TEST(run_process, cancellation_kills_it) {
  asio::io_context io(1);
  asio::cancellation_signal cancel;
  std::string pid;
  End end = fail(Code::internal, "never ended");
  ProcessSpec spec{.argv = {"sh", "-c", "echo $$; exec sleep 100"},
                   .on_line = [&](std::string_view line) {
                     pid = line;
                     asio::post(io, [&] { cancel.emit(asio::cancellation_type::terminal); });
                   }};
  asio::co_spawn(io, run_process(std::move(spec)),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr, End result) {
                   end = std::move(result);
                 }));
  io.run_for(seconds(10));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::cancelled);
  ASSERT_FALSE(pid.empty());
  EXPECT_TRUE(is_gone(std::stoi(pid)));
}

TEST(run_process, a_destroyed_loop_leaves_no_process) {
  std::string pid;
  {
    asio::io_context io(1);
    ProcessSpec spec{.argv = {"sh", "-c", "echo $$; exec sleep 100"},
                     .on_line = [&](std::string_view line) {
                       pid = line;
                       io.stop();
                     }};
    asio::co_spawn(io, run_process(std::move(spec)), [](std::exception_ptr, const End&) {});
    io.run_for(seconds(10));
  }
  ASSERT_FALSE(pid.empty());
  EXPECT_TRUE(is_gone(std::stoi(pid)));
}

TEST(run_process, many_run_at_once) {
  asio::io_context io(1);
  int ok = 0;
  for (int i = 0; i < 20; ++i)
    asio::co_spawn(io, run_process({.argv = {"sh", "-c", "echo x; exit 0"}}),
                   [&](std::exception_ptr, const End& end) {
                     ok += end && end->ok() && end->out == "x\n" ? 1 : 0;
                   });
  io.run_for(seconds(20));
  EXPECT_EQ(ok, 20);
}

TEST(split_words, follows_the_shells_quoting) {
  struct Case {
    std::string_view command;
    std::vector<std::string> words;
  };
  for (const auto& [command, words] : std::vector<Case>{
           {"", {}},
           {"  a\tb\n c ", {"a", "b", "c"}},
           {R"(a 'b c' "d e"f)", {"a", "b c", "d ef"}},
           {R"('a\b' "a\b" a\b)", {"a\\b", "a\\b", "ab"}},
           {R"("\$x \"y\" \\")", {"$x \"y\" \\"}},
           {R"('' "")", {"", ""}},
           {"a\\\nb \"c\\\nd\"", {"ab", "cd"}},
           {R"(x\ y $HOME *)", {"x y", "$HOME", "*"}},
       }) {
    auto got = split_words(command);
    ASSERT_TRUE(got) << command;
    EXPECT_EQ(*got, words) << command;
  }
}

TEST(split_words, refuses_what_is_not_closed) {
  for (std::string_view command : {"a 'b", "a \"b", "a \"b\\\"", "a\\"})
    EXPECT_FALSE(split_words(command)) << command;
}

TEST(find_program, looks_in_the_directory_or_in_path) {
  auto sh_path = find_program("sh");
  ASSERT_TRUE(sh_path);
  EXPECT_TRUE(sh_path->ends_with("/sh"));
  EXPECT_EQ(*find_program("sh", "/bin"), "/bin/sh");
  EXPECT_EQ(*find_program("/bin/sh", "/else"), "/bin/sh");
  auto missing = find_program("no-such-program", "/bin");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr("/bin/no-such-program"));
  EXPECT_FALSE(find_program("passwd", "/etc"));  // there, but no program
  EXPECT_FALSE(find_program("no-such-program"));
}

}  // namespace
}  // namespace aurum::runtime
