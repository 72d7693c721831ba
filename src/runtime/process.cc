#include "runtime/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "runtime/child.h"

namespace aurum::runtime {

namespace {

using Stream = asio::posix::stream_descriptor;
constexpr std::size_t kKept = 65536;
constexpr std::size_t kLongestLine = 65536;
/// A killed process that is not gone by then hangs in the kernel.
constexpr Duration kKillWait = seconds(5);

/// The tail of one output, and its lines as they come.
class Capture {
 public:
  explicit Capture(const std::function<void(std::string_view)>& on_line) : on_line_(on_line) {}

  void add(std::string_view data) {
    kept_ += data;
    if (kept_.size() > 2 * kKept) kept_.erase(0, kept_.size() - kKept);
    if (!on_line_) return;
    for (char c : data) {
      bool end = c == '\n' || c == '\r';
      if (!end) line_ += c;
      if (end || line_.size() >= kLongestLine) flush();
    }
  }
  std::string take() {
    flush();
    if (kept_.size() > kKept) kept_.erase(0, kept_.size() - kKept);
    return std::move(kept_);
  }

 private:
  void flush() {
    if (!line_.empty()) on_line_(line_);
    line_.clear();
  }
  const std::function<void(std::string_view)>& on_line_;
  std::string kept_;
  std::string line_;
};

Task<void> capture_all(Stream& stream, Capture& capture) {
  std::array<char, 16384> buffer{};
  while (true) {
    auto [ec, n] = co_await stream.async_read_some(asio::buffer(buffer), use_task);
    capture.add({buffer.data(), n});
    if (ec) co_return;
  }
}

/// What the ended process had written. Not until end of file: a daemon it left behind may hold the
/// pipe for years.
void capture_rest(Stream& stream, Capture& capture) {
  std::array<char, 16384> buffer{};
  boost::system::error_code ec;
  stream.non_blocking(true, ec);
  for (std::size_t total = 0; total < 4 * kKept;) {
    std::size_t n = stream.read_some(asio::buffer(buffer), ec);
    if (ec || n == 0) return;
    capture.add({buffer.data(), n});
    total += n;
  }
}

Task<void> feed(Stream& stream, const std::string& input) {
  if (!stream.is_open()) co_return;
  // An error means that it does not read its input: its own affair.
  auto [ec, n] = co_await asio::async_write(stream, asio::buffer(input), use_task);
  stream.close(ec);
}

Task<void> forever() {
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await timer.async_wait(use_task);
}

struct Streams {
  Stream in;
  Stream out;
  Stream err;
  Stream pidfd;
};

Stream take_over(const asio::any_io_executor& executor, Descriptor& descriptor) {
  return descriptor.get() < 0 ? Stream(executor) : Stream(executor, descriptor.release());
}

Task<void> talk(Streams& streams, const std::string& input, Capture& out, Capture& err) {
  using namespace asio::experimental::awaitable_operators;
  co_await (capture_all(streams.out, out) && capture_all(streams.err, err) &&
            feed(streams.in, input));
  co_await forever();
}

/// Until the process ends, `limit` passes or the coroutine is cancelled.
Task<void> ended(Stream& pidfd, Duration limit) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor, limit);
  co_await (pidfd.async_wait(Stream::wait_read, use_task) || timer.async_wait(use_task));
}

std::string_view last_line(std::string_view text) {
  auto end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return {};
  auto before = text.find_last_of("\r\n", end);
  auto begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(begin, end + 1 - begin);
}

Task<Result<ProcessEnd>> run_started(const ProcessSpec& spec, Child child) {
  using namespace asio::experimental::awaitable_operators;
  auto executor = co_await asio::this_coro::executor;
  // The process's end is watched on a copy: Child keeps its own to the last for killing.
  Descriptor watch(::dup(child.pidfd.get()));
  if (watch.get() < 0) co_return fail(Code::io, "no descriptor left to watch a process");
  Streams streams{take_over(executor, child.input), take_over(executor, child.output),
                  take_over(executor, child.errors), take_over(executor, watch)};
  Capture out(spec.on_line);
  Capture err(spec.on_line);

  co_await (ended(streams.pidfd, spec.timeout) || talk(streams, spec.input, out, err));
  auto cancellation = co_await asio::this_coro::cancellation_state;
  auto end = child.reap();
  if (!end) {
    child.kill_group();
    co_await ended(streams.pidfd, kKillWait);
    child.reap();
    bool cancelled = cancellation.cancelled() != asio::cancellation_type::none;
    if (cancelled)
      co_return fail(Code::cancelled, fmt::format("{} was cancelled", spec.argv.front()));
    co_return fail(Code::timeout, fmt::format("{} did not end within {:g} s", spec.argv.front(),
                                              to_seconds(spec.timeout)));
  }
  capture_rest(streams.out, out);
  capture_rest(streams.err, err);
  end->out = out.take();
  end->err = err.take();
  co_return std::move(*end);
}

}  // namespace

std::string ProcessEnd::reason() const {
  for (std::string_view text : {last_line(err), last_line(out)})
    if (!text.empty()) return std::string(text);
  return signal != 0 ? fmt::format("killed by signal {}", signal)
                     : fmt::format("exit code {}", exit_code);
}

Task<Result<ProcessEnd>> run_process(ProcessSpec spec) {
  auto child = Child::start(spec);
  if (!child) co_return fail(child.error());
  // Cancelled or not, the child must be killed and reaped: awaits in there must not throw. The
  // setting belongs to the whole chain of coroutines, so it is put back.
  bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto end = co_await run_started(spec, std::move(*child));
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return end;
}

}  // namespace aurum::runtime
