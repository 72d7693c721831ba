#include "runtime/log.h"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "runtime/log_format.h"
#include "runtime/log_output.h"

namespace aurum::runtime {

namespace {

constexpr Duration kDrainTime = seconds(1);

/// Renders in the caller's thread, writes in its own: a hung reader or disk must not hold up the
/// lease thread.
class QueuedLogger final : public Logger {
 public:
  QueuedLogger(Level level, LineFormat format, LogOutput output, std::size_t capacity)
      : level_(level),
        format_(std::move(format)),
        output_(std::move(output)),
        capacity_(capacity),
        writer_([this] { write_lines(); }) {}

  ~QueuedLogger() override {
    {
      std::lock_guard lock(mutex_);
      stop_at_ = now() + kDrainTime;
    }
    wake_.notify_one();
    writer_.join();
  }

  void log(Level level, std::string_view event, std::string_view text,
           const Fields& fields) override try {
    if (level < level_) return;
    std::string line = format_.render({wall_now(), level, event, text, fields});
    line += '\n';
    {
      std::lock_guard lock(mutex_);
      if (lines_.size() >= capacity_) {
        ++lost_;
        return;
      }
      lines_.push_back(std::move(line));
    }
    wake_.notify_one();
  } catch (const std::exception&) {
    // No memory or no lock: the line is lost, the caller must go on.
  }

  void drain(Duration limit) override {
    std::unique_lock lock(mutex_);
    written_.wait_for(lock, limit, [this] { return lines_.empty() && !writing_; });
  }

 private:
  void write_lines() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all,
                      nullptr);  // SIGPIPE of a closed output stays pending here and harms nobody
    ::pthread_setname_np(::pthread_self(), "log");
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return !lines_.empty() || stop_at_ != kNever; });
      bool late = stop_at_ != kNever && now() >= stop_at_;
      if (lines_.empty() || late) return;
      lock.unlock();
      bool ready = output_.ready(100);
      lock.lock();
      if (ready) write_one(lock);
    }
  }

  void write_one(std::unique_lock<std::mutex>& lock) {
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    std::size_t lost = std::exchange(lost_, 0);
    writing_ = true;
    lock.unlock();
    if (lost > 0) {
      std::string text = fmt::format("{} log lines were lost: the output was full or broken", lost);
      line.insert(0, format_.render({wall_now(), Level::warning, "log.lost", text, {}}) + "\n");
    }
    bool written = output_.write(line);
    lock.lock();
    writing_ = false;
    if (!written) lost_ += lost + 1;
    if (lines_.empty()) written_.notify_all();
  }

  const Level level_;
  const LineFormat format_;
  LogOutput output_;
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable wake_, written_;
  bool writing_ = false;  ///< a line is out of the queue and not yet in the output
  std::deque<std::string> lines_;
  std::size_t lost_ = 0;
  Instant stop_at_ = kNever;
  std::thread writer_;  // last: it uses the members above
};

class NullLogger final : public Logger {
 public:
  void log(Level, std::string_view, std::string_view, const Fields&) override {}
};

}  // namespace

Result<std::unique_ptr<Logger>> make_logger(const LogSettings& settings) {
  auto level = parse_level(settings.level);
  if (!level) return fail(level.error());
  auto format = LineFormat::compile(settings);
  if (!format) return fail(format.error());
  auto make = [&](LogOutput output) -> std::unique_ptr<Logger> {
    return std::make_unique<QueuedLogger>(*level, std::move(*format), std::move(output),
                                          std::max<std::size_t>(settings.max_queue_size, 1));
  };
  if (settings.dir.empty()) return make(LogOutput(STDOUT_FILENO));
  auto file = LogOutput::file(std::filesystem::path(settings.dir) / "patroni.log",
                              settings.file_size, settings.file_num, settings.mode);
  if (!file) return fail(file.error());
  return make(std::move(*file));
}

Logger& null_logger() {
  static NullLogger logger;
  return logger;
}

}  // namespace aurum::runtime
