#include "fence/guard_client.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "fence/protocol.h"
#include "runtime/clock.h"

namespace aurum::fence {

namespace asio = boost::asio;
using runtime::use_task;

namespace {

constexpr Duration kRequestTime = seconds(10);  // a launch waits for a fork and the program's file
constexpr Duration kRetry = milliseconds(20);

std::string describe(int wait_status) {
  if (wait_status == kStatusUnknown) return "ended with unknown status";
  if (WIFSIGNALED(wait_status)) return "killed by signal " + std::to_string(WTERMSIG(wait_status));
  return "exited with code " + std::to_string(WEXITSTATUS(wait_status));
}

struct Answer {
  Header header;
  std::string payload;
};

Result<int> open_socket(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path)
    return fail(Code::invalid, "too long a name for a socket: " + path.string());
  std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);
  int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(Code::io, std::string("cannot make a socket: ") + std::strerror(errno));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  int why = errno;
  ::close(fd);
  return fail(why == EACCES ? Code::permission : Code::unavailable,
              "no guard answers at " + path.string() + ": " + std::strerror(why));
}

}  // namespace

struct GuardClient::State {
  State(const asio::any_io_executor& executor, int fd, Events e)
      : socket(executor, fd), events(std::move(e)) {}

  struct Waiting {
    asio::steady_timer* timer;
    Answer* answer;
  };

  Result<std::uint64_t> send(Header header, const std::string& payload) {
    if (!socket.is_open()) return fail(Code::unavailable, "the connection to the guard is lost");
    header.id = next_id++;
    std::array<iovec, 2> parts{
        {{&header, sizeof header}, {const_cast<char*>(payload.data()), payload.size()}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = payload.empty() ? 1 : 2;
    if (::sendmsg(socket.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
      return header.id;
    return fail(errno == EMSGSIZE ? Code::invalid : Code::unavailable,
                std::string("cannot send to the guard: ") + std::strerror(errno));
  }

  void deliver(Answer answer) {
    auto found = waiting.find(answer.header.id);
    if (found == waiting.end()) return;  // too late, or a signal() nobody waits for
    *found->second.answer = std::move(answer);
    found->second.timer->cancel();
    waiting.erase(found);
  }

  void close() {
    boost::system::error_code ignored;
    socket.close(ignored);
    for (auto& [id, one] : waiting) one.timer->cancel();
    waiting.clear();
  }

  asio::posix::stream_descriptor socket;
  Events events;
  std::uint64_t next_id = 1;
  std::map<std::uint64_t, Waiting> waiting;
};

namespace {

/// Reads until the connection ends or the client is destroyed, and then tells neither.
template <class State>
Task<void> read_all(std::shared_ptr<State> state) {
  std::vector<char> buffer(kMaxMessage);
  while (state->socket.is_open()) {
    auto [ec] =
        co_await state->socket.async_wait(asio::posix::stream_descriptor::wait_read, use_task);
    if (ec || !state->socket.is_open()) break;
    ssize_t n = ::recv(state->socket.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < static_cast<ssize_t>(sizeof(Header))) break;
    Answer answer;
    std::memcpy(&answer.header, buffer.data(), sizeof(Header));
    answer.payload.assign(buffer.data() + sizeof(Header),
                          static_cast<std::size_t>(n) - sizeof(Header));
    if (answer.header.magic != Header::kMagic) break;
    if (answer.header.kind != MessageKind::exited) {
      state->deliver(std::move(answer));
      continue;
    }
    // After the coroutine that was just answered went on.
    auto tell = state->events.on_exited;
    co_await asio::post(state->socket.get_executor(), use_task);
    if (tell && state->socket.is_open()) tell(answer.header.pid, describe(answer.header.value));
  }
  bool lost = state->socket.is_open();
  state->close();
  auto tell_lost = state->events.on_lost;  // a copy: it may destroy the client
  if (lost && tell_lost) tell_lost();
}

/// However the waiting coroutine ends, nobody writes into its frame any more.
template <class State>
struct Forget {
  State* state;
  std::uint64_t id;
  ~Forget() { state->waiting.erase(id); }
};

template <class State>
Task<Result<Answer>> ask(std::shared_ptr<State> state, Header header, std::string payload,
                         Duration timeout) {
  auto id = state->send(header, payload);
  if (!id) co_return fail(id.error());
  asio::steady_timer timer(state->socket.get_executor(), timeout);
  Answer answer;
  answer.header.id = 0;
  state->waiting[*id] = {&timer, &answer};
  Forget forget{state.get(), *id};
  auto [ec] = co_await timer.async_wait(use_task);
  if (answer.header.id == 0) {
    if (!state->socket.is_open())
      co_return fail(Code::unknown_outcome,
                     "the connection to the guard was lost before it answered");
    co_return fail(
        ec ? Code::cancelled : Code::timeout,
        ec ? "the request to the guard was cancelled"
           : "the guard did not answer within " + std::to_string(to_ms(timeout)) + " ms");
  }
  if (answer.header.kind == MessageKind::failed)
    co_return fail(static_cast<Code>(answer.header.value), answer.payload);
  co_return answer;
}

}  // namespace

Task<Result<std::unique_ptr<GuardClient>>> GuardClient::connect(std::filesystem::path run_dir,
                                                                Duration timeout, Events events) {
  auto executor = co_await asio::this_coro::executor;
  auto end = runtime::now() + timeout;
  auto path = run_dir / kSocketName;
  auto fd = open_socket(path);
  while (!fd && fd.error().code == Code::unavailable && runtime::now() < end) {
    asio::steady_timer pause(executor, kRetry);
    auto [ec] = co_await pause.async_wait(use_task);
    if (ec) co_return fail(Code::cancelled, "connecting to the guard was cancelled");
    fd = open_socket(path);
  }
  if (!fd) co_return fail(fd.error());
  auto state = std::make_shared<State>(executor, *fd, std::move(events));
  asio::co_spawn(executor, read_all(state), asio::detached);
  std::unique_ptr<GuardClient> client(new GuardClient(state));
  // Refusals (another version, another user) show here, not at the first order.
  auto first = co_await client->status();
  if (!first) co_return fail(first.error());
  co_return client;
}

GuardClient::GuardClient(std::shared_ptr<State> state) : state_(std::move(state)) {}

GuardClient::~GuardClient() {
  state_->events = {};
  state_->close();
}

Task<Result<int>> GuardClient::launch(std::vector<std::string> argv, std::vector<std::string> env,
                                      std::string working_dir) {
  std::string payload = working_dir + '\0';
  for (const auto* words : {&argv, &env})
    for (const auto& word : *words) payload += word + '\0';
  if (payload.size() + sizeof(Header) >= kMaxMessage)
    co_return fail(Code::invalid,
                   "command line and environment of the server are too long for the guard");
  Header header{.kind = MessageKind::launch, .value = static_cast<std::int32_t>(argv.size())};
  auto answer = co_await ask(state_, header, std::move(payload), kRequestTime);
  if (!answer) co_return fail(answer.error());
  co_return answer->header.pid;
}

Task<Status> GuardClient::adopt(int pid) {
  Header header{.kind = MessageKind::adopt, .pid = pid};
  auto answer = co_await ask(state_, header, {}, kRequestTime);
  if (!answer) co_return fail(answer.error());
  co_return Status{};
}

Status GuardClient::signal(int pid, int signo) {
  auto id = state_->send({.kind = MessageKind::signal, .pid = pid, .value = signo}, {});
  if (!id) return fail(id.error());
  return {};
}

Task<Status> GuardClient::kill_all(int pid, Duration timeout) {
  Header header{.kind = MessageKind::kill_all, .pid = pid};
  auto answer = co_await ask(state_, header, {}, timeout);
  if (!answer) co_return fail(answer.error());
  co_return Status{};
}

Task<Status> GuardClient::watchdog(std::string device, std::string driver, Duration timeout,
                                   Duration tail) {
  Header header{.kind = MessageKind::watchdog,
                .value = timeout < Duration{0} ? -1 : static_cast<int>(to_seconds(timeout))};
  const std::string payload = std::to_string(to_ms(tail)) + '\0' + device + '\0' + driver + '\0';
  auto answer = co_await ask(state_, header, payload, kRequestTime);
  if (!answer) co_return fail(answer.error());
  co_return Status{};
}

Task<Status> GuardClient::end(Duration timeout) {
  const auto state = state_;
  const Instant until = runtime::now() + timeout;
  auto answer = co_await ask(state, Header{.kind = MessageKind::end}, {}, timeout);
  // Already on its way out, it may be gone before its answer is read.
  if (!answer && state->socket.is_open()) co_return fail(answer.error());
  while (state->socket.is_open()) {
    if (runtime::now() >= until) co_return fail(Code::timeout, "the guard does not end");
    asio::steady_timer pause(state->socket.get_executor(), milliseconds(2));
    auto [ec] = co_await pause.async_wait(use_task);
    if (ec) co_return fail(Code::cancelled, "waiting for the guard's end was cancelled");
  }
  co_return Status{};
}

Task<Result<GuardStatus>> GuardClient::status() {
  auto answer = co_await ask(state_, Header{.kind = MessageKind::status}, {}, kRequestTime);
  if (!answer) co_return fail(answer.error());
  StatusMessage message;
  if (answer->payload.size() < sizeof message)
    co_return fail(Code::protocol, "the guard's status is malformed");
  std::memcpy(&message, answer->payload.data(), sizeof message);
  GuardStatus status;
  status.pid = message.pid;
  status.postmaster_runs = message.postmaster != 0;
  status.adopted = message.pid != 0 && message.adopted != 0;
  status.page_state = message.page_state;
  status.last_pid = message.last_pid;
  if (message.last_pid != 0) status.last_status = describe(message.last_status);
  status.kills = message.kills;
  status.guard_pid = message.guard_pid;
  co_return status;
}

}  // namespace aurum::fence
