#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "model/cluster.h"

namespace aurum::model {
namespace {

/// Reads fixed-width digits and separators from the front of a text.
class Scan {
 public:
  explicit Scan(std::string_view text) : rest_(text) {}

  bool digits(std::size_t count, int& out) {
    if (rest_.size() < count) return false;
    auto [end, error] = std::from_chars(rest_.data(), rest_.data() + count, out);
    if (error != std::errc() || end != rest_.data() + count || rest_.front() == '-') return false;
    rest_.remove_prefix(count);
    return true;
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// The digits behind a decimal point, as micro seconds; further digits are cut.
  bool fraction_us(int& out) {
    out = 0;
    int unit = 100'000;
    bool any = false;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      out += (rest_.front() - '0') * unit;
      unit /= 10;
      rest_.remove_prefix(1);
      any = true;
    }
    return any;
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// Minutes east of UTC: "Z", "+02", "+0200", "+02:00".
bool read_offset(Scan& scan, int& minutes) {
  minutes = 0;
  if (scan.take('Z') || scan.take('z')) return scan.done();
  const bool west = scan.take('-');
  if (!west && !scan.take('+')) return false;
  int hour = 0, minute = 0;
  if (!scan.digits(2, hour) || hour > 15) return false;
  if (!scan.done()) {
    scan.take(':');
    if (!scan.digits(2, minute) || minute > 59) return false;
  }
  minutes = (hour * 60 + minute) * (west ? -1 : 1);
  return scan.done();
}

}  // namespace

std::string iso8601(WallTime at) {
  using namespace std::chrono;
  const sys_time<microseconds> moment{microseconds(at.us)};
  const auto day = floor<days>(moment);
  const year_month_day date(day);
  const hh_mm_ss time(moment - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+00:00",
                     static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

Result<WallTime> parse_iso8601(std::string_view text) {
  using namespace std::chrono;
  const auto bad = [&] {
    return fail(Code::invalid, fmt::format("\"{}\" is not a time stamp", text.substr(0, 60)),
                "Write it as in ISO 8601: 2030-01-31T23:00:00+00:00.");
  };
  Scan scan(text);
  int y = 0, m = 0, d = 0, hour = 0, minute = 0, second = 0, us = 0, offset = 0;
  if (!scan.digits(4, y) || !scan.take('-') || !scan.digits(2, m) || !scan.take('-') ||
      !scan.digits(2, d) || !(scan.take('T') || scan.take(' ')) || !scan.digits(2, hour) ||
      !scan.take(':') || !scan.digits(2, minute))
    return bad();
  if (scan.take(':')) {
    if (!scan.digits(2, second)) return bad();
    if (scan.take('.') && !scan.fraction_us(us)) return bad();
  }
  const year_month_day date(year(y), month(static_cast<unsigned>(m)),
                            day(static_cast<unsigned>(d)));
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return bad();
  if (scan.done())
    return fail(Code::invalid, "no offset", "Add the offset from UTC, for example +00:00.");
  scan.take(' ');
  if (!read_offset(scan, offset)) return bad();
  const auto moment = sys_days(date) + hours(hour) + minutes(minute - offset) + seconds(second);
  return WallTime{duration_cast<microseconds>(moment.time_since_epoch()).count() + us};
}

}  // namespace aurum::model
