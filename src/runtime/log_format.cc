#include "runtime/log_format.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <pthread.h>
#include <unistd.h>

#include <fmt/format.h>

namespace aurum::runtime {

namespace {

constexpr std::string_view kDefaultFormat = "%(asctime)s %(levelname)s: %(message)s";
constexpr std::array<std::string_view, 16> kAttributes = {
    "asctime",     "levelname", "levelno",  "message",  "name",   "process",
    "processName", "thread",    "pathname", "filename", "lineno", "module",
    "threadName",  "funcName",  "msecs",    "created"};

int level_number(Level level) { return (static_cast<int>(level) + 1) * 10; }

std::string time_text(WallTime at, const std::string& dateformat) {
  auto second = static_cast<std::time_t>(at.us / 1'000'000);
  std::tm local{};
  ::localtime_r(&second, &local);
  std::array<char, 256> text{};
  const char* format = dateformat.empty() ? "%Y-%m-%d %H:%M:%S" : dateformat.c_str();
  std::string out(text.data(), std::strftime(text.data(), text.size(), format, &local));
  if (dateformat.empty()) out += fmt::format(",{:03}", at.us / 1000 % 1000);
  return out;
}

std::string thread_name() {
  std::array<char, 32> name{};
  return ::pthread_getname_np(::pthread_self(), name.data(), name.size()) == 0 ? name.data() : "";
}

void append_escaped(std::string& out, std::string_view text) {
  for (char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (static_cast<unsigned char>(c) < 0x20 && c != '\t')
      out += fmt::format("\\x{:02x}", c);
    else
      out += c;
  }
}

/// Length of the well-formed UTF-8 sequence at `at`, 0 when there is none (RFC 3629).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  unsigned lead = byte(at);
  std::size_t length = lead < 0x80                   ? 1
                       : lead >= 0xC2 && lead < 0xE0 ? 2
                       : lead >= 0xE0 && lead < 0xF0 ? 3
                       : lead >= 0xF0 && lead < 0xF5 ? 4
                                                     : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  unsigned second = byte(at + 1);
  bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  bool outside = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
  return overlong || outside ? 0 : length;
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = utf8_length(text, i);
    char c = text[i];
    if (length == 0) {
      out += "\\ufffd";
    } else if (length > 1) {
      out += text.substr(i, length);
    } else if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += c;
    }
    i += length == 0 ? 1 : length;
  }
  out += '"';
}

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::debug:
      return "DEBUG";
    case Level::info:
      return "INFO";
    case Level::warning:
      return "WARNING";
    case Level::error:
      return "ERROR";
    case Level::critical:
      return "CRITICAL";
  }
  return "?";
}

Result<Level> parse_level(std::string_view name) {
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  if (upper == "DEBUG" || upper == "NOTSET") return Level::debug;
  if (upper == "INFO") return Level::info;
  if (upper == "WARNING" || upper == "WARN") return Level::warning;
  if (upper == "ERROR") return Level::error;
  if (upper == "CRITICAL" || upper == "FATAL") return Level::critical;
  return fail(Code::invalid, fmt::format("log.level is \"{}\"", name),
              "Use one of DEBUG, INFO, WARNING, ERROR, CRITICAL.");
}

Result<std::vector<LineFormat::Piece>> LineFormat::parse(std::string_view format) {
  std::vector<Piece> pieces(1);
  auto bad = [&](std::string_view what) {
    return fail(Code::invalid, fmt::format("log.format has {}", what),
                "Use Python's form, such as \"%(asctime)s %(levelname)s: %(message)s\".");
  };
  for (std::size_t i = 0; i < format.size();) {
    Piece& piece = pieces.back();
    if (format[i] != '%') {
      piece.literal += format[i++];
      continue;
    }
    if (format.substr(i).starts_with("%%")) {
      piece.literal += '%';
      i += 2;
      continue;
    }
    auto end = format.find(')', i);
    if (!format.substr(i).starts_with("%(") || end == std::string_view::npos)
      return bad("a % that begins no %(name)s");
    piece.attribute = format.substr(i + 2, end - i - 2);
    if (std::ranges::find(kAttributes, piece.attribute) == kAttributes.end())
      return bad(fmt::format("the unknown field \"{}\"", piece.attribute));
    for (i = end + 1; i < format.size() && std::string_view("-0+ #").contains(format[i]); ++i)
      (format[i] == '-' ? piece.left : piece.zeros) |= format[i] == '-' || format[i] == '0';
    for (; i < format.size() && std::isdigit(static_cast<unsigned char>(format[i])); ++i)
      piece.width =
          std::min<std::size_t>(piece.width * 10 + static_cast<std::size_t>(format[i] - '0'), 200);
    while (i < format.size() &&
           (format[i] == '.' || std::isdigit(static_cast<unsigned char>(format[i]))))
      ++i;
    if (i == format.size() || !std::string_view("sdifr").contains(format[i]))
      return bad(fmt::format("no conversion letter after \"%({})\"", piece.attribute));
    ++i;
    pieces.emplace_back();
  }
  return pieces;
}

Result<LineFormat> LineFormat::compile(const LogSettings& settings) {
  LineFormat line;
  if (settings.type != "plain" && settings.type != "json")
    return fail(Code::invalid, fmt::format("log.type is \"{}\"", settings.type),
                "Use plain or json.");
  line.json_ = settings.type == "json";
  line.dateformat_ = settings.dateformat;
  line.static_fields_ = settings.static_fields;
  std::string format = settings.format;
  if (line.json_ && !settings.json_fields.empty()) {
    format.clear();
    for (const auto& [attribute, name] : settings.json_fields) format += "%(" + attribute + ")s";
  }
  auto pieces = parse(format.empty() ? kDefaultFormat : std::string_view(format));
  if (!pieces) return fail(pieces.error());
  line.pieces_ = std::move(*pieces);
  for (std::size_t i = 0; i < line.pieces_.size(); ++i) {
    bool renamed = line.json_ && i < settings.json_fields.size();
    line.pieces_[i].json_name =
        renamed ? settings.json_fields[i].second : line.pieces_[i].attribute;
  }
  return line;
}

std::string LineFormat::value_of(const std::string& a, const LogRecord& record) const {
  if (a == "asctime") return time_text(record.at, dateformat_);
  if (a == "levelname") return std::string(level_name(record.level));
  if (a == "levelno") return std::to_string(level_number(record.level));
  if (a == "message") return std::string(record.text);
  if (a == "name" || a == "funcName") return std::string(record.event);
  if (a == "module") return std::string(record.event.substr(0, record.event.find('.')));
  if (a == "process") return std::to_string(::getpid());
  if (a == "thread") return std::to_string(::gettid());
  if (a == "threadName") return thread_name();
  if (a == "lineno") return "0";
  if (a == "msecs") return std::to_string(record.at.us / 1000 % 1000);
  if (a == "created") return fmt::format("{:.6f}", static_cast<double>(record.at.us) / 1e6);
  return "aurum";  // processName, pathname, filename
}

std::string LineFormat::render(const LogRecord& record) const {
  return json_ ? render_json(record) : render_text(record);
}

std::string LineFormat::render_text(const LogRecord& record) const {
  std::string line;
  for (const Piece& piece : pieces_) {
    line += piece.literal;
    if (piece.attribute.empty()) continue;
    std::string value;
    append_escaped(value, value_of(piece.attribute, record));
    if (piece.attribute == "message")
      for (const auto& [name, text] : record.fields)
        append_escaped(value += " " + name + "=", text);
    std::size_t padding = piece.width > value.size() ? piece.width - value.size() : 0;
    if (piece.left)
      line += value + std::string(padding, ' ');
    else
      line += std::string(padding, piece.zeros ? '0' : ' ') + value;
  }
  return line;
}

std::string LineFormat::render_json(const LogRecord& record) const {
  std::string line = "{";
  auto add = [&line](std::string_view name, std::string_view value) {
    if (line.size() > 1) line += ", ";
    append_json(line, name);
    line += ": ";
    append_json(line, value);
  };
  auto is_ours = [&](std::string_view name) {
    return name == "event" ||
           std::ranges::any_of(pieces_, [&](const Piece& p) { return p.json_name == name; });
  };
  for (const Piece& piece : pieces_)
    if (!piece.attribute.empty()) add(piece.json_name, value_of(piece.attribute, record));
  add("event", record.event);
  for (const auto& [name, value] : record.fields) add(is_ours(name) ? name + "_" : name, value);
  for (const auto& [name, value] : static_fields_)
    if (!is_ours(name) &&
        std::ranges::find(record.fields, name, &std::pair<std::string, std::string>::first) ==
            record.fields.end())
      add(name, value);
  return line + "}";
}

}  // namespace aurum::runtime
