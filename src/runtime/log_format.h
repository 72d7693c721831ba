#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/log.h"

/// How a log record becomes a line. Private to the logger; a header of its own so that it can be
/// tested alone.
namespace aurum::runtime {

struct LogRecord {
  WallTime at;
  Level level = Level::info;
  std::string_view event;
  std::string_view text;
  const Logger::Fields& fields;
};

std::string_view level_name(Level level);
/// Also Python's aliases WARN, FATAL and NOTSET.
Result<Level> parse_level(std::string_view name);

/// A compiled `log.format`: literals and attributes of Python's LogRecord, with flags, width and
/// precision
/// ("%(levelname)-8s", "%(msecs)03d").
class LineFormat {
 public:
  static Result<LineFormat> compile(const LogSettings& settings);
  /// One line, without its '\n'. Control characters are escaped: an event is one line.
  std::string render(const LogRecord& record) const;

 private:
  struct Piece {
    std::string literal;    ///< before the attribute
    std::string attribute;  ///< "" = none
    bool left = false;
    bool zeros = false;
    std::size_t width = 0;
    std::string json_name;
  };
  static Result<std::vector<Piece>> parse(std::string_view format);
  std::string value_of(const std::string& attribute, const LogRecord& record) const;
  std::string render_text(const LogRecord& record) const;
  std::string render_json(const LogRecord& record) const;

  bool json_ = false;
  std::string dateformat_;
  std::vector<Piece> pieces_;
  std::vector<std::pair<std::string, std::string>> static_fields_;
};

}  // namespace aurum::runtime
