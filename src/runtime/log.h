#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace aurum::runtime {

enum class Level { debug, info, warning, error, critical };

/// Structured log: an event name, a sentence, fields. Rendered as a Patroni-like text line
/// ("2026-11-22 18:44:14,308 INFO: text", PATRONI_COMPAT §5.3; fields follow as " name=value") or
/// as one JSON object per line. Lines in Patroni's wording therefore carry no fields. Thread-safe:
/// the lease thread logs too. log() renders and queues; a thread of the logger writes. It never
/// waits for the output and never throws: when the reader hangs or the disk is full, lines are
/// dropped, and their number is written once the output takes lines again.
class Logger {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  virtual ~Logger() = default;
  virtual void log(Level level, std::string_view event, std::string_view text,
                   const Fields& fields = {}) = 0;
  /// Waits until all that was logged is written, for at most `limit`: before the process ends
  /// without destructors.
  virtual void drain(Duration limit) { (void)limit; }

  void debug(std::string_view event, std::string_view text, const Fields& f = {}) {
    log(Level::debug, event, text, f);
  }
  void info(std::string_view event, std::string_view text, const Fields& f = {}) {
    log(Level::info, event, text, f);
  }
  void warn(std::string_view event, std::string_view text, const Fields& f = {}) {
    log(Level::warning, event, text, f);
  }
  void error(std::string_view event, std::string_view text, const Fields& f = {}) {
    log(Level::error, event, text, f);
  }
};

struct LogSettings {
  std::string type = "plain";  ///< plain | json
  std::string level = "INFO";  ///< DEBUG INFO WARNING ERROR CRITICAL
  std::string format;          ///< Python %(name)s form (§9.15); "" = the default
  /// json with `format` as a list: (Python's name, name in the object). Empty = the names found in
  /// `format`.
  std::vector<std::pair<std::string, std::string>> json_fields;
  std::string dateformat;  ///< strftime; "" = ISO with comma milliseconds
  std::string dir;         ///< "" = stdout; else <dir>/patroni.log, rotating
  std::size_t file_size = 25'000'000;
  int file_num = 4;
  int mode = 0;                       ///< of patroni.log; 0 = 0666 less the umask
  std::size_t max_queue_size = 1000;  ///< lines waiting for the output
  std::vector<std::pair<std::string, std::string>> static_fields;  ///< added to each JSON object
};
/// Code::invalid for a wrong setting, Code::io when the directory cannot be written. The destructor
/// writes what is queued, for at most a second.
Result<std::unique_ptr<Logger>> make_logger(const LogSettings& settings);
/// Drops everything; for tests.
Logger& null_logger();

}  // namespace aurum::runtime
