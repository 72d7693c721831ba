#pragma once

#include <arpa/inet.h>
#include <future>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "base/ensure.h"
#include "runtime/async.h"

namespace aurum::net::testing {

/// An io_context on a thread of its own, so that a test may block.
class LoopThread {
 public:
  LoopThread() : work_(io_.get_executor()), thread_([this] { io_.run(); }) {}
  ~LoopThread() {
    work_.reset();
    io_.stop();
    thread_.join();
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  runtime::asio::io_context& io() { return io_; }

  /// Runs it on the loop and waits for its value.
  template <class T>
  T run(runtime::Task<T> task) {
    return runtime::asio::co_spawn(io_, std::move(task), runtime::asio::use_future).get();
  }
  /// Runs a plain function on the loop's thread.
  template <class F>
  auto call(F f) -> decltype(f()) {
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto result = task.get_future();
    runtime::asio::post(io_, [&task] { task(); });
    return result.get();
  }

 private:
  runtime::asio::io_context io_;
  runtime::asio::executor_work_guard<runtime::asio::io_context::executor_type> work_;
  std::thread thread_;
};

/// A blocking client on 127.0.0.1 that sees every byte.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ensure(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0,
           "connect to our own server");
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  /// False when the server has closed already.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Everything until the server closes; "<reset>" or "<timeout>" is added when it did not end
  /// well.
  std::string read_all() {
    std::string out;
    char buffer[4096];
    for (;;) {
      auto n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n == 0) return out;
      if (n < 0) return out + (errno == ECONNRESET ? "<reset>" : "<timeout>");
      out.append(buffer, static_cast<std::size_t>(n));
    }
  }

 private:
  int fd_;
};

/// A loopback listener that never answers; its port may be closed to get one that refuses.
class SilentListener {
 public:
  SilentListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ensure(::bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 &&
               ::listen(fd_, 8) == 0,
           "a loopback listener can be made");
    socklen_t size = sizeof at;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
  }
  ~SilentListener() { close(); }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  std::uint16_t port() const { return port_; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

}  // namespace aurum::net::testing
