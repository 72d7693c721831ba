#include "cli/timestamp.h"

#include <cctype>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <optional>

#include <fmt/format.h>

namespace aurum::cli {

namespace {

/// Reads fixed-width numbers and separators from the front of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<int> number(std::size_t digits) {
    if (text_.size() < digits) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (std::isdigit(static_cast<unsigned char>(text_[i])) == 0) return std::nullopt;
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return value;
  }
  bool skip(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void skip_blanks() {
    while (skip(' ')) {
    }
  }
  bool digit_ahead() const {
    return !text_.empty() && std::isdigit(static_cast<unsigned char>(text_.front())) != 0;
  }
  bool at_end() const { return text_.empty(); }

 private:
  std::string_view text_;
};

struct Moment {
  std::tm fields{};
  int micros = 0;
  std::optional<int> offset_minutes;
};

bool read_date(Reader& in, std::tm& out) {
  const auto year = in.number(4);
  if (!year || !in.skip('-')) return false;
  const auto month = in.number(2);
  if (!month || !in.skip('-')) return false;
  const auto day = in.number(2);
  if (!day) return false;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return false;
  out.tm_year = *year - 1900;
  out.tm_mon = *month - 1;
  out.tm_mday = *day;
  return true;
}

bool read_fraction(Reader& in, int& micros) {
  if (!in.digit_ahead()) return false;
  int digits = 0;
  for (; in.digit_ahead(); ++digits) {
    const int digit = *in.number(1);
    if (digits < 6) micros = micros * 10 + digit;
  }
  for (; digits < 6; ++digits) micros *= 10;
  return true;
}

bool read_time(Reader& in, Moment& out) {
  const auto hour = in.number(2);
  if (!hour || *hour > 23 || !in.skip(':')) return false;
  const auto minute = in.number(2);
  if (!minute || *minute > 59) return false;
  out.fields.tm_hour = *hour;
  out.fields.tm_min = *minute;
  if (!in.skip(':')) return true;
  const auto second = in.number(2);
  if (!second || *second > 59) return false;
  out.fields.tm_sec = *second;
  return !in.skip('.') || read_fraction(in, out.micros);
}

bool read_offset(Reader& in, Moment& out) {
  in.skip_blanks();
  if (in.at_end()) return true;
  if (in.skip('Z') || in.skip('z')) {
    out.offset_minutes = 0;
    return true;
  }
  const bool west = in.skip('-');
  if (!west && !in.skip('+')) return false;
  const auto hours = in.number(2);
  if (!hours || *hours > 23) return false;
  in.skip(':');
  const auto minutes = in.digit_ahead() ? in.number(2) : std::optional<int>(0);
  if (!minutes || *minutes > 59) return false;
  out.offset_minutes = (west ? -1 : 1) * (*hours * 60 + *minutes);
  return true;
}

std::optional<Moment> read_moment(std::string_view text) {
  Reader in(text);
  Moment moment;
  in.skip_blanks();
  if (!read_date(in, moment.fields)) return std::nullopt;
  if (!in.skip('T') && !in.skip('t') && !in.skip(' ')) return std::nullopt;
  in.skip_blanks();
  if (!read_time(in, moment) || !read_offset(in, moment)) return std::nullopt;
  in.skip_blanks();
  if (!in.at_end()) return std::nullopt;
  return moment;
}

/// The zone's offset at that local time; the C library decides in the hour that a clock change
/// makes ambiguous.
int local_offset_minutes(std::tm fields) {
  fields.tm_isdst = -1;
  const std::time_t at = std::mktime(&fields);
  std::tm local{};
  localtime_r(&at, &local);
  return static_cast<int>(local.tm_gmtoff / 60);
}

std::tm local_fields(WallTime at) {
  const std::time_t second = static_cast<std::time_t>(at.us / 1'000'000);
  std::tm local{};
  localtime_r(&second, &local);
  return local;
}

}  // namespace

Result<std::string> parse_schedule(std::string_view text) {
  if (text == "now") return std::string();
  const auto moment = read_moment(text);
  if (!moment)
    return fail(Code::invalid,
                fmt::format("Unable to parse scheduled timestamp ({}). It should be in an "
                            "unambiguous format (e.g. ISO 8601)",
                            text));
  const std::tm& f = moment->fields;
  const int offset = moment->offset_minutes.value_or(local_offset_minutes(f));
  std::string iso = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", f.tm_year + 1900,
                                f.tm_mon + 1, f.tm_mday, f.tm_hour, f.tm_min, f.tm_sec);
  if (moment->micros != 0) iso += fmt::format(".{:06}", moment->micros);
  return iso + fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+', std::abs(offset) / 60,
                           std::abs(offset) % 60);
}

std::string with_blank(std::string_view iso) {
  std::string out(iso);
  if (const auto t = out.find('T'); t != std::string::npos) out[t] = ' ';
  return out;
}

std::string local_seconds(WallTime at) {
  const std::tm t = local_fields(at);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}

std::string local_fraction(WallTime at) {
  return fmt::format("{}.{:05}", local_seconds(at), (at.us % 1'000'000) / 10);
}

std::string example_schedule(WallTime now) {
  const std::tm t = local_fields(WallTime{now.us + 3'600'000'000});
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                     t.tm_hour, t.tm_min);
}

}  // namespace aurum::cli
