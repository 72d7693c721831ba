// Scenario: servers made of shells and sleeps under a real guard. What is verified: README.md of
// this room.
#include "fence/guard.h"

#include <array>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fence/guard_start.h"
#include "fence/testing/guard_fixture.h"

namespace aurum::fence::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

/// Like a postmaster: backends with sessions of their own, one of them frozen, one with a child
/// below it.
constexpr const char* kPostmaster =
    "setsid sh -c 'echo $$ > $DIR/a.pid; exec sleep 300' &\n"
    "setsid sh -c 'echo $$ > $DIR/frozen.pid; kill -STOP $$; exec sleep 300' &\n"
    "setsid sh -c 'sleep 300 & echo $! > $DIR/deep.pid; wait' &\n"
    "while :; do sleep 300; done";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Guard : public GuardTest {
 protected:
  std::vector<pid_t> launch_tree() {
    auto pid = launch(kPostmaster);
    EXPECT_TRUE(pid) << pid.error().text();
    return tree_of(server_);
  }
  std::vector<pid_t> tree_of(pid_t postmaster) {
    std::vector<pid_t> pids{postmaster, pid_in("a.pid"), pid_in("frozen.pid"), pid_in("deep.pid")};
    ProcessFacts facts;
    EXPECT_TRUE(eventually([&] { return read_process(pids[2], facts) && facts.state == 'T'; }));
    return pids;
  }
  static bool all_gone(const std::vector<pid_t>& pids) {
    return std::all_of(pids.begin(), pids.end(), [](pid_t pid) { return is_gone(pid); });
  }
  /// The guard hears of it when it goes on.
  void kill_server_unseen() {
    ::kill(guard_, SIGSTOP);
    ::kill(server_, SIGKILL);
    ASSERT_TRUE(eventually([&] { return is_gone(server_); }));
  }
  int guard_exit() {
    int status = -1;
    const pid_t guard = std::exchange(guard_, 0);
    EXPECT_TRUE(eventually([&] { return ::waitpid(guard, &status, WNOHANG) == guard; }));
    return status;
  }
};

TEST_F(Guard, starts_a_server_with_a_clean_slate) {
  start();
  auto pid = launch(
      // grep tells its own mask, which is the shell's: the shell blocks signals while it forks.
      "ls -l /proc/$$/fd > $DIR/fds; grep SigBlk /proc/self/status > $DIR/mask; readlink "
      "/proc/$$/fd/0 "
      "> $DIR/in;"
      "pwd > $DIR/cwd; echo $$ > $DIR/up.pid; sleep 300");
  ASSERT_TRUE(pid) << pid.error().text();
  EXPECT_EQ(pid_in("up.pid"), *pid);
  // Socket, timer, signals and lock of the guard are not there.
  EXPECT_THAT(read_file(dir_ / "fds"),
              ::testing::Not(::testing::ContainsRegex("socket:|anon_inode|guard\\.lock|lease")));
  EXPECT_EQ(read_file(dir_ / "mask"), "SigBlk:\t0000000000000000\n");
  EXPECT_EQ(read_file(dir_ / "in"), "/dev/null\n");
  EXPECT_EQ(read_file(dir_ / "cwd"), "/\n");
  EXPECT_EQ(::getsid(*pid), *pid);
}

TEST_F(Guard, kills_everything_when_the_deadline_passes) {
  start();
  auto pids = launch_tree();
  Instant deadline = runtime::now() + milliseconds(400);
  set_page(1, deadline);
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  Instant limit = deadline + milliseconds(50);
  auto late = runtime::now() - limit;
  EXPECT_GE(late, Duration(0));
  EXPECT_LT(late, milliseconds(500));
  RecordProperty("late_us", static_cast<int>(late.count() / 1000));
  EXPECT_TRUE(all_gone(pids));
  EXPECT_THAT(exited_, ElementsAre(Pair(server_, "killed by signal 9")));
  EXPECT_EQ((*page_)->kills.load(), 1);
}

TEST_F(Guard, a_renewed_deadline_postpones_the_kill) {
  start();
  auto pids = launch_tree();
  for (int i = 0; i < 10; ++i) {
    set_page(1, runtime::now() + milliseconds(300));
    run_for(milliseconds(100));
  }
  EXPECT_TRUE(exited_.empty());
  EXPECT_FALSE(is_gone(server_));
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_TRUE(all_gone(pids));
}

TEST_F(Guard, a_deadline_moved_to_the_past_is_seen) {
  start();
  launch_tree();
  set_page(1, runtime::now() + seconds(100));
  run_for(milliseconds(50));
  set_page(1, Instant{0});
  EXPECT_TRUE(run_until([&] { return !exited_.empty(); }));
}

TEST_F(Guard, idle_and_maintenance_kill_nothing) {
  start();
  launch_tree();
  for (std::uint32_t state : {0U, 2U}) {
    set_page(state, Instant{1});
    run_for(milliseconds(600));
    EXPECT_FALSE(is_gone(server_)) << state;
  }
  EXPECT_EQ((*page_)->kills.load(), 0);
}

TEST_F(Guard, outlives_its_clients_and_tells_the_next_one) {
  start();
  launch_tree();
  client_.reset();
  run_for(milliseconds(50));
  connect();
  auto status = await(client_->status());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->pid, server_);
  EXPECT_TRUE(status->postmaster_runs);
  EXPECT_FALSE(status->adopted);
  EXPECT_EQ(status->guard_pid, guard_);

  client_.reset();
  set_page(1, Instant{0});
  ASSERT_TRUE(eventually([&] { return is_gone(server_); }));
  connect();
  ASSERT_TRUE(run_until([&] {
    status = await(client_->status());
    return status && status->pid == 0;
  }));
  EXPECT_EQ(status->last_pid, server_);
  EXPECT_EQ(status->last_status, "killed by signal 9");
  EXPECT_EQ(status->kills, 1);
}

TEST_F(Guard, exit_codes_are_pushed_to_every_client) {
  start();
  std::vector<std::string> heard;
  auto second = await(GuardClient::connect(
      dir_, seconds(5),
      {.on_exited = [&](int, std::string how) { heard.push_back(std::move(how)); },
       .on_lost = {}}));
  ASSERT_TRUE(second);
  ASSERT_TRUE(launch("exit 3"));
  ASSERT_TRUE(run_until([&] { return !exited_.empty() && !heard.empty(); }));
  EXPECT_THAT(exited_, ElementsAre(Pair(server_, "exited with code 3")));
  EXPECT_THAT(heard, ElementsAre("exited with code 3"));
  ASSERT_TRUE(launch("kill -SEGV $$"));
  ASSERT_TRUE(run_until([&] { return exited_.size() == 2; }));
  EXPECT_EQ(exited_[1].second, "killed by signal 11");
}

/// The guard as first process of a container: an agent is its child.
class GuardWithAgent : public Guard {
 protected:
  void start_with(const std::string& script) {
    start({"--grace-ms", "50", "--", "/bin/sh", "-c", "DIR=" + dir_.string() + "; " + script});
  }
  /// The agent of this moment; it writes its pid when it begins.
  pid_t agent(pid_t former = 0) {
    pid_t pid = 0;
    EXPECT_TRUE(eventually([&] {
      return static_cast<bool>(std::ifstream(dir_ / "agent.pid") >> pid) && pid != former;
    }));
    return pid;
  }
};

TEST_F(GuardWithAgent, starts_a_killed_agent_again_and_leaves_the_server_alone) {
  start_with("echo $$ > $DIR/agent.pid; exec sleep 300");
  const pid_t first = agent();
  ASSERT_TRUE(launch("exec sleep 300"));
  ::kill(first, SIGKILL);
  const pid_t second = agent(first);
  EXPECT_FALSE(is_gone(second));
  EXPECT_FALSE(is_gone(server_));
}

TEST_F(GuardWithAgent, ends_with_an_agent_that_ends_by_itself) {
  start_with("while [ ! -e $DIR/go ]; do sleep 0.01; done; exit 3");
  std::ofstream(dir_ / "go") << "1";
  EXPECT_EQ(WEXITSTATUS(guard_exit()), 3);
}

TEST_F(GuardWithAgent, starts_an_agent_that_left_its_server_again) {
  start_with("echo $$ > $DIR/agent.pid; while [ ! -e $DIR/go ]; do sleep 0.01; done; rm $DIR/go");
  const pid_t first = agent();
  ASSERT_TRUE(launch("exec sleep 300"));
  std::ofstream(dir_ / "go") << "1";
  agent(first);
  EXPECT_FALSE(is_gone(server_));
}

TEST_F(GuardWithAgent, hands_signals_to_the_agent_and_then_stops_what_is_left) {
  start_with(
      "trap 'echo hup > $DIR/hup' HUP; trap 'echo told > $DIR/told; exit 0' TERM;"
      "echo $$ > $DIR/agent.pid; while :; do sleep 0.02; done");
  agent();
  ASSERT_TRUE(
      launch("trap 'echo fast > $DIR/stop; exit 0' INT; touch $DIR/up; while :; do sleep "
             "0.02; done"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir_ / "up"); }));
  ::kill(guard_, SIGHUP);
  EXPECT_TRUE(eventually([&] { return read_file(dir_ / "hup") == "hup\n"; }));
  ::kill(guard_, SIGTERM);
  EXPECT_EQ(guard_exit(), 0);
  EXPECT_EQ(read_file(dir_ / "told"), "told\n");
  EXPECT_EQ(read_file(dir_ / "stop"), "fast\n");
}

TEST_F(GuardWithAgent, spares_the_agent_when_the_deadline_passes) {
  start_with("sleep 300 & echo $! > $DIR/helper.pid; echo $$ > $DIR/agent.pid; wait");
  const pid_t kept = agent();
  auto pids = launch_tree();
  set_page(1, runtime::now() + milliseconds(200));
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_TRUE(all_gone(pids));
  EXPECT_FALSE(is_gone(kept));
  EXPECT_FALSE(is_gone(pid_in("helper.pid")));
}

// F14: a postmaster killed by somebody leaves a frozen backend which could still acknowledge a
// commit.
TEST_F(Guard, the_end_is_told_when_the_last_backend_is_gone) {
  start();
  ASSERT_TRUE(
      launch("setsid sh -c 'echo $$ > $DIR/frozen.pid; kill -STOP $$; sleep 300; :' & wait; :"));
  pid_t frozen = pid_in("frozen.pid");
  ProcessFacts facts;
  ASSERT_TRUE(eventually([&] { return read_process(frozen, facts) && facts.state == 'T'; }));
  ASSERT_TRUE(client_->signal(server_, SIGKILL));
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_TRUE(is_gone(frozen));
}

TEST_F(Guard, what_an_archive_command_left_behind_may_end_its_work) {
  start();
  ASSERT_TRUE(
      launch("setsid sleep 300 & echo $! > $DIR/archive.pid;"
             "until readlink /proc/$!/exe | grep -q sleep; do :; done; exit 0"));
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_FALSE(is_gone(pid_in("archive.pid")));
}

TEST_F(Guard, orphans_are_reaped) {
  start();
  ASSERT_TRUE(launch(
      "for i in 1 2 3 4 5 6 7 8; do (sh -c 'exit 0' & ) ; done; echo $$ > $DIR/up.pid; sleep 300"));
  pid_in("up.pid");
  EXPECT_TRUE(eventually([&] {
    int zombies = 0;
    auto processes = std::make_unique<ProcessList>();
    processes->for_each(
        [&](const ProcessFacts& f) { zombies += f.parent == guard_ && f.dead() ? 1 : 0; });
    return zombies == 0;
  }));
}

TEST_F(Guard, kill_all_ends_when_all_are_gone) {
  start();
  auto pids = launch_tree();
  auto killed = await(client_->kill_all(server_, seconds(10)));
  ASSERT_TRUE(killed) << killed.error().text();
  EXPECT_TRUE(all_gone(pids));
  EXPECT_EQ((*page_)->kills.load(), 0);
  EXPECT_TRUE(await(client_->kill_all(server_, seconds(10))));  // again: gone before
  EXPECT_FALSE(await(client_->kill_all(::getpid(), seconds(10))));
}

// A server that outlived its first guard (or came from elsewhere): its orphans are nobody's
// children that we know.
TEST_F(Guard, an_adopted_server_is_killed_to_the_last_process) {
  ::setenv("DIR", dir_.c_str(), 1);
  by_hand_ = spawn({"setsid", "sh", "-c", kPostmaster});
  auto pids = tree_of(by_hand_);
  start();
  auto adopted = await(client_->adopt(by_hand_));
  ASSERT_TRUE(adopted) << adopted.error().text();
  EXPECT_TRUE(await(client_->adopt(by_hand_)));
  auto status = await(client_->status());
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->adopted);
  set_page(1, Instant{0});
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_TRUE(all_gone(pids));
  EXPECT_EQ(exited_[0].second, "ended with unknown status");
}

// With its parent dead nothing tells that it was the server's, and giving back its memory takes
// time.
TEST_F(Guard, a_process_of_an_adopted_server_that_dies_slowly_is_waited_for) {
  ::setenv("DIR", dir_.c_str(), 1);
  ASSERT_EQ(::mkfifo((dir_ / "pipe").c_str(), 0600), 0);
  by_hand_ = spawn({"setsid", "sh", "-c",
                    "sh -c 'dd if=/dev/zero bs=300M count=1 2>/dev/null > $DIR/pipe & "
                    "echo $! > $DIR/large.pid; wait' & while :; do sleep 300; done"});
  const int reader = ::open((dir_ / "pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const pid_t large = pid_in("large.pid");
  std::array<char, 1> first{};
  ASSERT_TRUE(eventually([&] { return ::read(reader, first.data(), 1) == 1; }));
  start();
  ASSERT_TRUE(await(client_->adopt(by_hand_)));
  set_page(1, Instant{0});
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_TRUE(is_gone(large));
  ::close(reader);
}

TEST_F(Guard, an_adopted_server_that_died_alone_is_swept_by_program_and_directory) {
  ::setenv("DIR", dir_.c_str(), 1);
  by_hand_ = spawn(
      {"sh", "-c",
       "cd $DIR; setsid sh -c 'echo $$ > frozen.pid; kill -STOP $$; sleep 300; :' & wait; :"});
  pid_t frozen = pid_in("frozen.pid");
  ProcessFacts facts;
  ASSERT_TRUE(eventually([&] { return read_process(frozen, facts) && facts.state == 'T'; }));
  start();
  ASSERT_TRUE(await(client_->adopt(by_hand_)));
  ::kill(by_hand_, SIGKILL);  // stays a zombie: its parent, we, does not reap it (F55)
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_TRUE(is_gone(frozen));
}

TEST_F(Guard, a_killed_guard_leaves_the_server_to_the_next) {
  start();
  auto pids = launch_tree();
  ::kill(guard_, SIGKILL);
  guard_exit();
  ASSERT_TRUE(run_until([&] { return lost_; }));
  EXPECT_FALSE(is_gone(server_));
  start();
  ASSERT_TRUE(await(client_->adopt(server_)));
  set_page(1, Instant{0});
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_TRUE(all_gone(pids));
}

TEST_F(Guard, refuses_what_makes_no_sense) {
  start();
  pid_t zombie = ::fork();
  if (zombie == 0) ::_exit(0);
  ASSERT_TRUE(eventually([&] { return is_gone(zombie); }));
  EXPECT_EQ(await(client_->adopt(zombie)).error().code, Code::not_found);
  ::waitpid(zombie, nullptr, 0);
  EXPECT_EQ(await(client_->adopt(1)).error().code, Code::not_found);
  EXPECT_EQ(await(client_->launch({"/no/such/program"}, {}, "/")).error().code, Code::not_found);
  EXPECT_THAT(await(client_->launch({"/bin/sh"}, {}, "/no/dir")).error().message,
              HasSubstr("No such file"));
  EXPECT_EQ(await(client_->launch({}, {}, "/")).error().code, Code::invalid);
  EXPECT_EQ(await(client_->launch({"/bin/sh", std::string(200'000, 'x')}, {}, "/")).error().code,
            Code::invalid);
  set_page(1, Instant{0});
  EXPECT_EQ(launch("sleep 300").error().code, Code::rejected);
  set_page(0, Instant{0});
  ASSERT_TRUE(launch("sleep 300"));
  EXPECT_EQ(await(client_->launch({"/bin/sh"}, {}, "/")).error().code, Code::exists);
  EXPECT_EQ(await(client_->adopt(::getpid())).error().code, Code::exists);
}

TEST_F(Guard, there_is_one_per_directory) {
  start();
  auto second = await(spawn_guard(dir_, self(), milliseconds(50), seconds(10)));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::exists);
  EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(guard_)));
  EXPECT_TRUE(await(client_->status()));
}

TEST_F(Guard, is_started_detached_and_ends_when_told) {
  auto started = await(spawn_guard(dir_, self(), milliseconds(50), seconds(10)));
  ASSERT_TRUE(started) << started.error().text();
  connect();
  auto status = await(client_->status());
  ASSERT_TRUE(status);
  EXPECT_NE(::getsid(status->guard_pid), ::getsid(0));
  ::kill(status->guard_pid, SIGTERM);
  EXPECT_TRUE(run_until([&] { return lost_; }));
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(dir_ / kSocketName); }));
}

TEST_F(Guard, a_start_that_fails_says_why) {
  auto started = await(spawn_guard("/no/such/dir", self(), milliseconds(50), seconds(10)));
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("/no/such/dir"));
  EXPECT_FALSE(await(spawn_guard(dir_, "/no/such/aurum", milliseconds(50), seconds(10))));
}

TEST_F(Guard, ends_by_itself_when_nobody_needs_it) {
  start({"--idle-ms", "200"});
  ASSERT_TRUE(launch("sleep 300"));
  client_.reset();
  run_for(milliseconds(500));
  EXPECT_FALSE(is_gone(guard_));
  ::kill(server_, SIGKILL);
  EXPECT_EQ(guard_exit(), 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ / kSocketName));
}

TEST_F(Guard, a_client_ends_it_at_once_and_another_may_take_its_place) {
  start();
  ASSERT_TRUE(await(client_->end(seconds(5))));
  auto lock = take_lock(dir_);
  EXPECT_TRUE(lock) << lock.error().text();
  if (lock) ::close(*lock);
  EXPECT_EQ(guard_exit(), 0);
}

TEST_F(Guard, is_not_ended_by_a_client_while_a_server_lives) {
  start();
  const auto pids = launch_tree();
  EXPECT_EQ(await(client_->end(seconds(5))).error().code, Code::rejected);
  run_for(milliseconds(100));
  EXPECT_FALSE(is_gone(server_));
  // The guard it was before: it still ends the server when its time has come.
  set_page(1, Instant{0});
  ASSERT_TRUE(run_until([&] { return !exited_.empty(); }));
  EXPECT_TRUE(all_gone(pids));
  EXPECT_TRUE(await(client_->end(seconds(5))));
}

TEST_F(Guard, is_ended_by_a_client_that_knows_of_the_servers_end_first) {
  start();
  const auto pids = launch_tree();
  kill_server_unseen();
  std::optional<Status> ended;
  boost::asio::co_spawn(io_, client_->end(seconds(10)),
                        [&](std::exception_ptr, Status outcome) { ended = std::move(outcome); });
  run_for(milliseconds(50));  // the request lies in the guard's socket beside the signal
  ::kill(guard_, SIGCONT);
  ASSERT_TRUE(run_until([&] { return ended.has_value(); }));
  EXPECT_TRUE(*ended) << ended->error().text();
  EXPECT_EQ(guard_exit(), 0);
  EXPECT_TRUE(is_gone(pids[2]));  // it runs the server's program
}

TEST_F(Guard, launches_for_a_client_that_knows_of_the_servers_end_first) {
  start();
  const auto pids = launch_tree();
  kill_server_unseen();
  const pid_t former = server_;
  std::optional<Result<int>> launched;
  boost::asio::co_spawn(
      io_, client_->launch({"/bin/sleep", "300"}, {}, "/"),
      [&](std::exception_ptr, Result<int> outcome) { launched = std::move(outcome); });
  run_for(milliseconds(50));  // the request lies in the guard's socket beside the signal
  ::kill(guard_, SIGCONT);
  ASSERT_TRUE(run_until([&] { return launched.has_value(); }));
  ASSERT_TRUE(*launched) << launched->error().text();
  server_ = **launched;
  EXPECT_NE(server_, former);
  EXPECT_TRUE(is_gone(pids[2]));  // it runs the former server's program
}

TEST_F(Guard, told_to_end_it_stops_the_server_first) {
  start();
  ASSERT_TRUE(
      launch("trap 'echo fast > $DIR/how; exit 0' INT; echo $$ > $DIR/up.pid; while :; do sleep "
             "0.02; done"));
  pid_in("up.pid");
  ::kill(guard_, SIGTERM);
  EXPECT_EQ(guard_exit(), 0);
  EXPECT_TRUE(is_gone(server_));
  EXPECT_EQ(read_file(dir_ / "how"), "fast\n");
}

TEST_F(Guard, a_second_and_third_signal_hurry) {
  start();
  ASSERT_TRUE(
      launch("trap '' INT; trap 'echo $$ > $DIR/immediate.pid' QUIT; echo $$ > $DIR/up.pid; "
             "while :; do sleep 0.02; done"));
  pid_in("up.pid");
  ::kill(guard_, SIGTERM);
  run_for(milliseconds(100));
  ::kill(guard_, SIGTERM);
  pid_in("immediate.pid");
  ::kill(guard_, SIGTERM);
  EXPECT_EQ(guard_exit(), 0);
  EXPECT_TRUE(is_gone(server_));
}

TEST_F(Guard, another_version_is_told_so) {
  start();
  int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto path = (dir_ / kSocketName).string();
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Header header{.version = 7, .id = 42};
  std::array<char, 1024> answer{};
  ASSERT_EQ(::send(fd, &header, sizeof header, 0), static_cast<ssize_t>(sizeof header));
  ssize_t n = ::recv(fd, answer.data(), answer.size(), 0);
  ASSERT_GT(n, static_cast<ssize_t>(sizeof header));
  std::memcpy(&header, answer.data(), sizeof header);
  EXPECT_EQ(header.kind, MessageKind::failed);
  EXPECT_EQ(header.id, 42);
  EXPECT_THAT(
      std::string(answer.data() + sizeof header, static_cast<std::size_t>(n) - sizeof header),
      HasSubstr("speaks version 1, not 7"));
  ASSERT_EQ(::send(fd, "rubbish", 7, 0), 7);
  n = ::recv(fd, answer.data(), answer.size(), 0);
  EXPECT_THAT(
      std::string(answer.data() + sizeof header, static_cast<std::size_t>(n) - sizeof header),
      HasSubstr("no message for a guard"));
  ::close(fd);
}

// A client that never reads must not hold the guard up.
TEST_F(Guard, a_deaf_client_is_dropped) {
  start();
  int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto path = (dir_ / kSocketName).string();
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Header header;
  ssize_t sent = 0;
  for (int i = 0; i < 100'000 && sent >= 0; ++i)
    sent = ::send(fd, &header, sizeof header, MSG_NOSIGNAL);
  EXPECT_LT(sent, 0);
  EXPECT_TRUE(await(client_->status()));
  ::close(fd);
}

TEST(guard_options, are_parsed) {
  auto parse = [](std::vector<std::string> words) {
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    return parse_guard_options(argv);
  };
  auto good = parse({"--run-dir", "/x", "--grace-ms", "7", "--detach"});
  ASSERT_TRUE(good);
  EXPECT_EQ(good->run_dir, "/x");
  EXPECT_EQ(good->grace, milliseconds(7));
  EXPECT_TRUE(good->detach);
  for (const auto& bad :
       std::vector<std::vector<std::string>>{{},
                                             {"--run-dir"},
                                             {"--run-dir", "/x", "--grace-ms", "-1"},
                                             {"--run-dir", "/x", "--grace-ms", "1s"},
                                             {"x"}})
    EXPECT_FALSE(parse(bad));
}

}  // namespace
}  // namespace aurum::fence::testing
