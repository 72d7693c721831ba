#include "stack/exchange.h"

#include <cerrno>
#include <cstring>
#include <poll.h>

#include "runtime/clock.h"
#include "runtime/descriptor.h"

namespace aurum::stack {

namespace {

constexpr std::size_t kAnswerMax = 16U << 20U;

Status await(int fd, short events, Instant until, const std::string& where) {
  for (;;) {
    const Duration left = until - runtime::now();
    if (left <= Duration::zero()) return fail(Code::timeout, where + " does not answer in time");
    pollfd wait{fd, events, 0};
    const int n = ::poll(&wait, 1, static_cast<int>(to_ms(left) + 1));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fail(Code::io, where + ": " + std::strerror(errno));
  }
}

}  // namespace

Result<std::string> exchange(const sockaddr* to, socklen_t size, const std::string& where,
                             std::string_view request, Instant until,
                             const std::function<bool(std::string_view)>& complete) {
  const auto failed = [&where](int error) {
    return fail(Code::unavailable, where + ": " + std::strerror(error));
  };
  const runtime::Descriptor socket(
      ::socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(socket.get(), to, size) != 0) {
    if (errno != EINPROGRESS) return failed(errno);
    auto ready = await(socket.get(), POLLOUT, until, where);
    if (!ready) return fail(ready.error());
    int error = 0;
    socklen_t error_size = sizeof error;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &error_size);
    if (error != 0) return failed(error);
  }
  for (std::size_t sent = 0; sent < request.size();) {
    auto ready = await(socket.get(), POLLOUT, until, where);
    if (!ready) return fail(ready.error());
    const ssize_t n =
        ::send(socket.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<std::size_t>(n);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return failed(errno);
  }
  std::string answer;
  char buffer[16384];
  while (!complete(answer)) {
    auto ready = await(socket.get(), POLLIN, until, where);
    if (!ready) return fail(ready.error());
    const ssize_t n = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (n == 0) break;
    if (n > 0) answer.append(buffer, static_cast<std::size_t>(n));
    if (n < 0 && errno != EAGAIN && errno != EINTR) return failed(errno);
    if (answer.size() > kAnswerMax) return fail(Code::protocol, where + " answers too much");
  }
  return answer;
}

}  // namespace aurum::stack
