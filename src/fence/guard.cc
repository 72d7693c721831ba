#include "fence/guard.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <poll.h>
#include <string_view>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fence/guard_start.h"
#include "fence/kept_agent.h"
#include "fence/lease_page.h"
#include "fence/protocol.h"
#include "fence/server.h"
#include "fence/watchdog.h"
#include "runtime/clock.h"

namespace aurum::fence {

namespace {

constexpr std::uint32_t kLeased = 1;  // LeasePage::state
constexpr Duration kPageInterval =
    milliseconds(250);  // how soon a deadline moved to an earlier time is seen
// A killed process is gone in a moment, or hangs in the kernel for long.
constexpr Duration kFirstSweepPause = milliseconds(2);
constexpr Duration kLastSweepPause = milliseconds(250);
// A launch waits so long for what is left of the server before: less than a client waits.
constexpr Duration kLaunchPatience = seconds(5);
constexpr std::size_t kMaxClients = 16;
constexpr std::size_t kMaxWords = 2048;

struct Client {
  int fd = -1;
  std::optional<Header> kill_request;  ///< answered when the server is gone
  std::optional<Instant> held_until;   ///< its launch stays in the socket for so long
};

/// The loop. All its memory is taken before it starts; only commands of a client may allocate.
class Guard {
 public:
  Guard(const GuardOptions& options, LeasePageMap page, int listener, int oom_score)
      : options_(options),
        page_(std::move(page)),
        listener_(listener),
        server_(oom_score),
        agent_(options.agent, oom_score) {
    sigset_t wanted;
    ::sigemptyset(&wanted);
    for (int signo : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&wanted, signo);
    if (agent_.exists()) ::sigaddset(&wanted, SIGHUP);
    ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
    signals_ = ::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    timer_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    ensure_ready(signals_ >= 0 && timer_ >= 0);
    server_.rehearse();
  }

  /// The exit code.
  int run() {
    idle_since_ = runtime::now();
    while (!finished()) {
      keep_agent();
      wait();
      take_signals();
      check_postmaster();
      check_deadline();
      feed_watchdog();
      for (auto& client : clients_)
        if (client.fd >= 0) serve(client);
      accept_clients();
      check_stop();
      sweep();
    }
    watchdog_.disarm();  // nothing writes any more
    return agent_.exit_code();
  }

 private:
  static void ensure_ready(bool ready) {
    if (ready) return;
    guard_log("CRITICAL", "no descriptors left");
    ::_exit(1);
  }

  bool connected() const {
    return std::any_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.fd >= 0; });
  }

  bool finished() {
    if (server_.lives() || agent_.runs()) return false;
    if (stopping_ || agent_.gone()) return true;
    if (agent_.exists()) return false;
    if (connected()) idle_since_ = runtime::now();
    return runtime::now() - idle_since_ >= options_.idle;
  }

  // --- time ---

  /// The server may live until then. kNever: the page names no deadline.
  Instant kill_at() const {
    if (page_->state.load() != kLeased) return kNever;
    std::int64_t deadline = page_->deadline_ns.load();
    return deadline > kNever.ns - options_.grace.count() ? kNever
                                                         : Instant{deadline} + options_.grace;
  }

  Instant next_wake() const {
    auto now = runtime::now();
    if (server_.lives() && server_.ending()) return sweep_at_;
    if (server_.lives())
      return std::min(
          {kill_at(), now + kPageInterval, stopping_ ? stop_at_ : kNever, agent_.due()});
    if (watchdog_.armed()) return std::min(now + kPageInterval, agent_.due());
    if (agent_.exists()) return agent_.due();
    return connected() ? kNever : idle_since_ + options_.idle;
  }

  void wait() {
    itimerspec at{};
    Instant wake = next_wake();
    if (wake != kNever) {
      at.it_value.tv_sec = std::max<std::int64_t>(wake.ns, 1) / 1'000'000'000;
      at.it_value.tv_nsec = std::max<std::int64_t>(wake.ns, 1) % 1'000'000'000;
    }
    ::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &at, nullptr);
    std::array<pollfd, 4 + kMaxClients> entries{};
    entries[0] = {signals_, POLLIN, 0};
    entries[1] = {timer_, POLLIN, 0};
    entries[2] = {listener_, POLLIN, 0};
    entries[3] = {server_.pidfd(), POLLIN, 0};
    for (std::size_t i = 0; i < kMaxClients; ++i)
      entries[4 + i] = {clients_[i].held_until ? -1 : clients_[i].fd, POLLIN, 0};
    ::poll(entries.data(), entries.size(), -1);
    std::uint64_t expired = 0;
    if (::read(timer_, &expired, sizeof expired) < 0) errno = 0;  // woken by something else
  }

  void check_deadline() {
    if (!server_.lives() || server_.ending()) return;
    Instant limit = kill_at();
    auto now = runtime::now();
    if (now <= limit) return;
    std::int64_t late = (now - limit).count();
    server_.kill_everything();
    page_->kills.fetch_add(1);
    guard_log("CRITICAL",
              "the lease of epoch %llu ended and was not renewed (grace %lld ms, %lld ms late): "
              "killed PostgreSQL %d, "
              "%d processes",
              static_cast<unsigned long long>(page_->epoch.load()),
              static_cast<long long>(to_ms(options_.grace)),
              static_cast<long long>(late / 1'000'000), server_.pid(), server_.killed());
  }

  /// What must stay true (watchdog_test.cc): it is fed only while the page allows
  /// writing, and disarmed only when nobody writes: the page is not leased, or its deadline has
  /// passed and the server is gone. In between it runs out.
  void feed_watchdog() {
    if (!watchdog_.armed()) return;
    const auto now = runtime::now();
    const bool leased = page_->state.load() == kLeased;
    const Instant deadline{page_->deadline_ns.load()};
    if (!leased || (now > kill_at() && !server_.lives())) return watchdog_.disarm();
    if (now + watchdog_tail_ < deadline) watchdog_.feed();
  }

  Status watchdog(const Header& request, std::span<char> payload) {
    std::array<const char*, 3> words{};
    std::size_t at = 0;
    for (auto& word : words) {
      if (at >= payload.size()) return fail(Code::invalid, "the watchdog request is malformed");
      word = &payload[at];
      at += std::strlen(word) + 1;
    }
    if (request.value < 0) {
      watchdog_.disarm();
      return {};
    }
    if (request.value == 0) return watchdog_.armed() ? Status{} : Watchdog::look(words[1]);
    if (page_->state.load() != kLeased)
      return fail(Code::rejected,
                  "the watchdog is armed for a primary only, and none may run here");
    watchdog_tail_ = milliseconds(std::strtoll(words[0], nullptr, 10));
    return watchdog_.arm(words[1], std::string_view(words[2]) == "testing", request.value);
  }

  // --- processes ---

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGCHLD) continue;
      if (info.ssi_signo == SIGHUP)
        agent_.signal(SIGHUP);
      else
        told_to_end();
    }
    reap();
  }

  void reap() {
    int status = 0;
    for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
         pid = ::waitpid(-1, &status, WNOHANG))
      if (agent_.runs() && pid == agent_.pid())
        agent_ended(status);
      else if (server_.postmaster_runs() && pid == server_.pid())
        server_.postmaster_ended(status);
  }

  /// An agent hands over and stops the server in order; told again, the guard waits for it no more.
  void told_to_end() {
    if (agent_.runs() && !agent_told_) {
      agent_told_ = true;
      agent_.retire();
      return agent_.signal(SIGTERM);
    }
    agent_.retire();
    agent_.signal(SIGKILL);
    stopping_ = true;
    stop_at_ = Instant{0};
  }

  void agent_ended(int status) {
    agent_.ended(status, server_.lives(), runtime::now());
    server_.spare(0);
    if (!agent_told_) return;
    stopping_ = true;
    stop_at_ = Instant{0};
  }

  void keep_agent() {
    const auto now = runtime::now();
    if (agent_.due() > now || stopping_) return;
    agent_.start(now);
    server_.spare(agent_.pid());
  }

  /// An adopted postmaster is not our child: its pidfd tells of its end, also when nobody reaps it.
  void check_postmaster() {
    if (!server_.adopted() || server_.pidfd() < 0) return;
    pollfd entry{server_.pidfd(), POLLIN, 0};
    if (::poll(&entry, 1, 0) > 0) server_.postmaster_ended(kStatusUnknown);
  }

  /// Told to end: each level is a harder way to stop the server. SIGINT = fast, SIGQUIT = immediate
  /// (postgres(1)).
  void check_stop() {
    if (!stopping_ || !server_.lives() || server_.ending() || runtime::now() < stop_at_) return;
    if (stop_done_ >= 2) return server_.kill_everything();
    ++stop_done_;
    bool fast = stop_done_ == 1;
    guard_log("INFO", "told to end: %s shutdown of PostgreSQL %d", fast ? "fast" : "immediate",
              server_.pid());
    if (!server_.signal(fast ? SIGINT : SIGQUIT))
      guard_log("WARNING", "cannot signal PostgreSQL %d", server_.pid());
    stop_at_ = runtime::now() + (fast ? options_.fast_stop : options_.immediate_stop);
  }

  void sweep() {
    if (!server_.lives() || !server_.ending()) return;
    auto now = runtime::now();
    if (now < sweep_at_) return;
    sweep_pause_ = std::min(std::max(sweep_pause_ * 2, kFirstSweepPause), kLastSweepPause);
    sweep_at_ = now + sweep_pause_;
    if (!server_.sweep()) return;
    sweep_pause_ = {};
    sweep_at_ = {};
    Header exited{
        .kind = MessageKind::exited, .pid = server_.last_pid(), .value = server_.last_status()};
    idle_since_ = runtime::now();
    for (auto& client : clients_) {
      if (client.kill_request) {
        auto request = *std::exchange(client.kill_request, std::nullopt);
        send(client, {.kind = MessageKind::done, .id = request.id, .pid = server_.last_pid()});
      }
      send(client, exited);
    }
  }

  // --- clients ---

  void accept_clients() {
    while (true) {
      int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) return;
      ucred peer{};
      socklen_t size = sizeof peer;
      auto place =
          std::find_if(clients_.begin(), clients_.end(), [](const Client& c) { return c.fd < 0; });
      bool known =
          ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
      Client fresh{fd, {}};
      if (!known)
        refuse(fresh, {}, {Code::permission, "this guard belongs to another user", {}});
      else if (place == clients_.end())
        refuse(fresh, {}, {Code::unavailable, "this guard has too many clients", {}});
      else
        std::swap(*place, fresh);
      drop(fresh);
    }
  }

  static void drop(Client& client) {
    if (client.fd >= 0) ::close(client.fd);
    client = {};
  }

  /// A client whose queue is full hangs: it is dropped and asks for the status when it comes back.
  static void send(Client& client, const Header& header, const void* payload = nullptr,
                   std::size_t size = 0) {
    if (client.fd < 0) return;
    std::array<iovec, 2> parts{
        {{const_cast<Header*>(&header), sizeof header}, {const_cast<void*>(payload), size}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = size > 0 ? 2 : 1;
    if (::sendmsg(client.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) drop(client);
  }

  static void refuse(Client& client, const Header& request, const Error& error) {
    auto text = error.text();
    Header answer{.kind = MessageKind::failed, .id = request.id, .pid = request.pid};
    answer.value = static_cast<std::int32_t>(error.code);
    send(client, answer, text.data(), text.size());
  }

  /// Who launches may know of the former server's end before we do, and that server lives until
  /// what it left is gone: the request waits in its socket for that
  /// (Guard.launches_for_a_client_that_knows_of_the_servers_end_first).
  bool hold(Client& client) {
    Header request;
    const ssize_t n = ::recv(client.fd, &request, sizeof request, MSG_DONTWAIT | MSG_PEEK);
    if (n != sizeof request || request.kind != MessageKind::launch) return false;
    reap();
    check_postmaster();
    sweep();
    if (!server_.lives() || !server_.ending()) return false;
    if (!client.held_until) client.held_until = runtime::now() + kLaunchPatience;
    return runtime::now() < *client.held_until;
  }

  void serve(Client& client) {
    if (hold(client)) return;
    client.held_until.reset();
    Header request;
    ssize_t n = ::recv(client.fd, buffer_.data(), buffer_.size() - 1, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return drop(client);
    auto size = static_cast<std::size_t>(n);
    std::memcpy(&request, buffer_.data(), std::min(size, sizeof request));
    if (size < sizeof request || request.magic != Header::kMagic)
      return refuse(client, {}, {Code::protocol, "this is no message for a guard", {}});
    if (request.version != Header::kVersion)
      return refuse(client, request,
                    {Code::protocol,
                     "this guard speaks version " + std::to_string(Header::kVersion) + ", not " +
                         std::to_string(request.version),
                     "It is from another version of aurum and ends when PostgreSQL is stopped and "
                     "no agent runs."});
    if (size >= buffer_.size())
      return refuse(client, request, {Code::invalid, "the message is too long", {}});
    buffer_[size] = '\0';
    auto outcome =
        execute(client, request, {buffer_.data() + sizeof request, size - sizeof request});
    if (!outcome) return refuse(client, request, outcome.error());
  }

  Status execute(Client& client, const Header& request, std::span<char> payload) {
    if (request.kind == MessageKind::status) return send_status(client, request);
    if (request.kind == MessageKind::kill_all) return kill_all(client, request);
    Status outcome;
    if (request.kind == MessageKind::launch)
      outcome = launch(request, payload);
    else if (request.kind == MessageKind::adopt)
      outcome = server_.adopt(request.pid);
    else if (request.kind == MessageKind::signal && request.pid == server_.pid())
      outcome = server_.signal(request.value);
    else if (request.kind == MessageKind::signal)
      outcome = not_ours(request.pid);
    else if (request.kind == MessageKind::watchdog)
      outcome = watchdog(request, payload);
    else if (request.kind == MessageKind::end)
      outcome = end();
    else
      outcome = fail(Code::protocol, "unknown request");
    if (outcome) send(client, {.kind = MessageKind::done, .id = request.id, .pid = server_.pid()});
    return outcome;
  }

  /// What must stay true: a server never loses its guard this way (guard_test.cc,
  /// is_not_ended_by_...). Who asks may know of the server's end before we do, and what it left
  /// behind we outlive anyway (is_ended_by_a_client_that_knows_of_the_servers_end_first).
  Status end() {
    reap();
    check_postmaster();
    if (server_.lives() && !server_.ending())
      return fail(Code::rejected, "PostgreSQL " + std::to_string(server_.pid()) + " lives");
    stopping_ = true;
    return {};
  }

  static Status not_ours(pid_t pid) {
    return fail(Code::not_found, "process " + std::to_string(pid) + " is no server of this guard");
  }

  Status launch(const Header& request, std::span<char> payload) {
    if (stopping_) return fail(Code::cancelled, "this guard was told to end");
    if (runtime::now() > kill_at())
      return fail(Code::rejected, "the lease page is leased and its deadline has passed",
                  "The agent writes the page before it starts a server.");
    std::array<char*, kMaxWords + 2> words{};
    std::size_t count = 0;
    for (std::size_t at = 0; at < payload.size() && count < kMaxWords;
         at += std::strlen(&payload[at]) + 1)
      words[count++] = &payload[at];
    auto arguments = static_cast<std::size_t>(std::max(request.value, 0));
    if (arguments == 0 || count < 1 + arguments || count == kMaxWords)
      return fail(Code::invalid, "the launch request is malformed");
    // Room for the nullptr that ends the arguments.
    std::move_backward(words.begin() + 1 + static_cast<std::ptrdiff_t>(arguments),
                       words.begin() + static_cast<std::ptrdiff_t>(count),
                       words.begin() + static_cast<std::ptrdiff_t>(count) + 1);
    words[1 + arguments] = nullptr;
    return server_.launch(words[0], {&words[1], arguments + 1},
                          {&words[2 + arguments], count - arguments});
  }

  Status kill_all(Client& client, const Header& request) {
    if (!server_.lives() || (request.pid != 0 && request.pid != server_.pid())) {
      if (request.pid != 0 && request.pid != server_.last_pid()) return not_ours(request.pid);
      send(client, {.kind = MessageKind::done, .id = request.id, .pid = request.pid});
      return {};
    }
    server_.kill_everything();
    guard_log("WARNING", "asked to kill PostgreSQL %d: %d processes", server_.pid(),
              server_.killed());
    client.kill_request = request;
    return {};
  }

  Status send_status(Client& client, const Header& request) {
    StatusMessage status;
    status.pid = server_.pid();
    status.adopted = server_.adopted() ? 1 : 0;
    status.postmaster = server_.postmaster_runs() ? 1 : 0;
    status.page_state = page_->state.load();
    status.last_pid = server_.last_pid();
    status.last_status = server_.last_status();
    status.kills = page_->kills.load();
    status.guard_pid = ::getpid();
    send(client, {.kind = MessageKind::done, .id = request.id, .pid = status.pid}, &status,
         sizeof status);
    return {};
  }

  const GuardOptions options_;
  LeasePageMap page_;
  const int listener_;
  int signals_ = -1;
  int timer_ = -1;
  Server server_;
  KeptAgent agent_;
  Watchdog watchdog_;
  Duration watchdog_tail_{};
  bool agent_told_ = false;  ///< to end
  Instant sweep_at_;
  Duration sweep_pause_{};
  Instant idle_since_;
  bool stopping_ = false;  ///< told to end
  int stop_done_ = 0;      ///< 1 = fast, 2 = immediate shutdown asked for
  Instant stop_at_ = kNever;
  std::array<Client, kMaxClients> clients_{};
  std::array<char, kMaxMessage> buffer_{};
};

Result<int> start_and_run(const GuardOptions& options, int report) {
  int oom_score = harden_process();
  auto lock = take_lock(options.run_dir);
  if (!lock) return fail(lock.error());
  auto page = LeasePageMap::open(options.run_dir / kPageName, true);
  if (!page) return fail(page.error());
  auto listener = listen_in(options.run_dir);
  if (!listener) return fail(listener.error());
  auto guard = std::make_unique<Guard>(options, std::move(*page), *listener, oom_score);
  if (int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC); null >= 0) ::dup2(null, STDIN_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  if (report >= 0) {
    if (::write(report, "+", 1) != 1) guard_log("WARNING", "nobody waits for the guard's start");
    ::close(report);
  }
  const int exit_code = guard->run();
  ::unlink((options.run_dir / kSocketName).c_str());  // with the lock held: it is ours
  ::close(*lock);  // before the clients hear of the end: there may be another guard then
  return exit_code;
}

/// The one line of a guard that could not start, and its exit code.
int say(int fd, const Error& error) {
  auto line = "aurum guard: " + error.text() + "\n";
  if (::write(fd, line.data(), line.size()) < 0) return 1;
  return 1;
}

}  // namespace

int run_guard(const GuardOptions& options) {
  int report = -1;
  int exit_code = 1;
  if (options.detach) {
    auto caller = split_off(report, exit_code);
    if (!caller) return say(STDOUT_FILENO, caller.error());
    if (*caller) return exit_code;
  }
  auto outcome = start_and_run(options, report);
  if (outcome) return *outcome;
  return say(report >= 0 ? report : STDERR_FILENO, outcome.error());
}

Result<GuardOptions> parse_guard_options(std::span<char*> arguments) {
  GuardOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view name = arguments[i];
    if (name == "--") {
      options.agent.assign(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
      break;
    }
    if (name == "--detach") {
      options.detach = true;
      continue;
    }
    bool timed = name == "--grace-ms" || name == "--idle-ms";
    if (!timed && name != "--run-dir")
      return fail(Code::invalid, "unknown option " + std::string(name));
    if (++i == arguments.size()) return fail(Code::invalid, std::string(name) + " needs a value");
    std::string_view value = arguments[i];
    if (!timed) {
      options.run_dir = value;
      continue;
    }
    std::uint32_t ms = 0;
    auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), ms);
    if (problem != std::errc() || end != value.data() + value.size() || ms > 86'400'000)
      return fail(Code::invalid, std::string(name) + " must be a number of milliseconds, not " +
                                     std::string(value));
    (name == "--grace-ms" ? options.grace : options.idle) = milliseconds(ms);
  }
  if (options.run_dir.empty())
    return fail(Code::invalid, "--run-dir is missing", "Name the directory of the lease page.");
  return options;
}

}  // namespace aurum::fence
