#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace aurum::runtime {

enum class Level { debug, info, warning, error, critical };

/// Structured log: an event name, a sentence, fields. Rendered as a Patroni-like text line
/// ("2026-11-22 18:44:14,308 INFO: text", PATRONI_COMPAT §5.3) or as one JSON object per line.
/// Thread-safe: the lease thread logs too. It never blocks a decision for long and never throws.
class Logger {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  virtual ~Logger() = default;
  virtual void log(Level level, std::string_view event, std::string_view text,
                   const Fields& fields = {}) = 0;

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
  std::string dateformat;      ///< strftime; "" = ISO with comma milliseconds
  std::string dir;             ///< "" = stdout; else <dir>/patroni.log, rotating
  std::size_t file_size = 25'000'000;
  int file_num = 4;
  std::vector<std::pair<std::string, std::string>> static_fields;
};
Result<std::unique_ptr<Logger>> make_logger(const LogSettings& settings);
/// Drops everything; for tests.
Logger& null_logger();

}  // namespace aurum::runtime
