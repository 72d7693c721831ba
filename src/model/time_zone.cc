#include "model/time_zone.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "model/config_sources.h"

namespace aurum::model {

namespace chr = std::chrono;

namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::size_t kHeader = 44;

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  if (bytes.size() == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
  return static_cast<std::int64_t>(value);
}

struct Header {
  std::int64_t is_utc = 0, is_standard = 0, leaps = 0, times = 0, types = 0, letters = 0;
  bool fits = false;
  std::size_t body(std::int64_t time_size) const {
    return static_cast<std::size_t>(times * time_size + times + types * 6 + letters +
                                    leaps * (time_size + 4) + is_standard + is_utc);
  }
};

Header read_header(std::string_view file) {
  Header out;
  if (file.size() < kHeader || !file.starts_with("TZif")) return out;
  std::int64_t* counts[] = {&out.is_utc, &out.is_standard, &out.leaps,
                            &out.times,  &out.types,       &out.letters};
  out.fits = true;
  for (std::size_t i = 0; i < std::size(counts); ++i) {
    *counts[i] = big_endian(file.substr(20 + 4 * i, 4));
    out.fits = out.fits && *counts[i] >= 0 && *counts[i] < 100'000;
  }
  out.fits = out.fits && out.types > 0;
  return out;
}

std::int64_t days_since_1970(int year, int month, int day) {
  return chr::sys_days(chr::year(year) / month / day).time_since_epoch().count();
}

int year_of(std::int64_t seconds) {
  const chr::sys_days day{chr::floor<chr::days>(chr::sys_seconds(chr::seconds(seconds)))};
  return static_cast<int>(chr::year_month_day(day).year());
}

}  // namespace

/// "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX); offsets there count west of UTC.
class FooterReader {
 public:
  explicit FooterReader(std::string_view text) : rest_(text) {}

  bool read(TimeZone::Rule& out) {
    if (!name() || !offset(out.standard_offset)) return false;
    out.standard_offset = -out.standard_offset;
    out.present = true;
    if (rest_.empty()) return true;
    if (!name()) return false;
    out.summer_offset = out.standard_offset + 3600;
    if (!rest_.starts_with(',')) {
      if (!offset(out.summer_offset)) return false;
      out.summer_offset = -out.summer_offset;
    }
    out.summer = true;
    return take(',') && change(out.begin) && take(',') && change(out.end) && rest_.empty();
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool name() {
    const bool quoted = take('<');
    const auto end = quoted ? rest_.find('>') : rest_.find_first_of("+-,0123456789");
    const auto length = std::min(end, rest_.size());
    rest_.remove_prefix(length);
    return length > 0 && (!quoted || take('>'));
  }
  bool number(std::int64_t& out) {
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return false;
    for (out = 0; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9' && out < 10'000;
         rest_.remove_prefix(1))
      out = out * 10 + (rest_.front() - '0');
    return true;
  }
  /// [+-]hh[:mm[:ss]] in seconds.
  bool offset(std::int64_t& out) {
    const bool minus = take('-');
    if (!minus) take('+');
    std::int64_t hours = 0, minutes = 0, seconds = 0;
    if (!number(hours)) return false;
    if (take(':') && !number(minutes)) return false;
    if (take(':') && !number(seconds)) return false;
    out = (hours * 3600 + minutes * 60 + seconds) * (minus ? -1 : 1);
    return hours <= 167;
  }
  bool change(TimeZone::Change& out) {
    using Form = TimeZone::Change::Form;
    std::int64_t month = 1, week = 1, day = 0;
    if (take('M')) {
      out.form = Form::month_week_day;
      if (!number(month) || !take('.') || !number(week) || !take('.') || !number(day)) return false;
    } else {
      out.form = take('J') ? Form::julian : Form::zero_based;
      if (!number(day)) return false;
    }
    if (month < 1 || month > 12 || week < 1 || week > 5 || day > 365) return false;
    out.month = static_cast<int>(month);
    out.week = static_cast<int>(week);
    out.day = static_cast<int>(day);
    return !take('/') || offset(out.seconds);
  }

  std::string_view rest_;
};

std::int64_t TimeZone::Change::local_in(int year) const {
  std::int64_t days = 0;
  switch (form) {
    case Form::month_week_day: {
      const auto weekday = chr::weekday(static_cast<unsigned>(day % 7));
      const auto month_of_year = chr::year(year) / chr::month(static_cast<unsigned>(month));
      const auto date = week == 5
                            ? chr::sys_days(month_of_year / weekday[chr::last])
                            : chr::sys_days(month_of_year / weekday[static_cast<unsigned>(week)]);
      days = date.time_since_epoch().count();
      break;
    }
    case Form::julian: {  // 1 to 365: 29 February is never counted
      const bool behind_february = chr::year(year).is_leap() && day >= 60;
      days = days_since_1970(year, 1, 1) + day - 1 + (behind_february ? 1 : 0);
      break;
    }
    case Form::zero_based:
      days = days_since_1970(year, 1, 1) + day;
      break;
  }
  return days * kDay + seconds;
}

std::int64_t TimeZone::Rule::offset_at(std::int64_t utc) const {
  if (!summer) return standard_offset;
  const int year = year_of(utc + standard_offset);
  const std::int64_t from = begin.local_in(year) - standard_offset;
  const std::int64_t to = end.local_in(year) - summer_offset;
  const bool is_summer = from < to ? from <= utc && utc < to : !(to <= utc && utc < from);
  return is_summer ? summer_offset : standard_offset;
}

std::int64_t TimeZone::offset_at(std::int64_t utc) const {
  const auto next = std::ranges::upper_bound(transitions_, utc);
  if (next == transitions_.begin() && !transitions_.empty()) return first_offset_;
  if (next == transitions_.end() && rule_.present) return rule_.offset_at(utc);
  if (transitions_.empty()) return first_offset_;
  return offsets_[static_cast<std::size_t>(next - transitions_.begin()) - 1];
}

TimeZone::Moments TimeZone::moments_of(std::int64_t local) const {
  // A day away on either side, so that no change lies between the two and what they stand for.
  const std::int64_t before = offset_at(local - kDay), after = offset_at(local + kDay);
  const bool by_before = offset_at(local - before) == before;
  const bool by_after = offset_at(local - after) == after;
  if (by_before && by_after && before != after)
    return {.first = local - before, .second = local - after, .twice = true};
  if (by_before) return {.first = local - before};
  if (by_after) return {.first = local - after};
  // Between these two the clock was set forward.
  std::int64_t low = local - after, high = local - before;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (offset_at(middle) == before ? low : high) = middle;
  }
  return {.first = high, .never = true};
}

Result<TimeZone> TimeZone::parse(std::string_view file, std::string name) {
  const auto bad = [&] {
    return fail(Code::invalid, fmt::format("\"{}\" is no file of the time zone database", name));
  };
  const Header old = read_header(file);
  if (!old.fits || file[4] < '2' || file.size() < kHeader + old.body(4)) return bad();
  file.remove_prefix(kHeader + old.body(4));
  const Header header = read_header(file);
  if (!header.fits || file.size() < kHeader + header.body(8)) return bad();
  file.remove_prefix(kHeader);

  const auto times = static_cast<std::size_t>(header.times);
  const auto type_offset = [&](std::size_t type) {
    return big_endian(file.substr(times * 9 + type * 6, 4));
  };
  TimeZone out;
  out.name_ = std::move(name);
  out.first_offset_ = type_offset(0);
  for (std::size_t i = 0; i < times; ++i) {
    const auto type = static_cast<unsigned char>(file[times * 8 + i]);
    if (type >= header.types) return bad();
    out.transitions_.push_back(big_endian(file.substr(i * 8, 8)));
    out.offsets_.push_back(type_offset(type));
  }
  if (!std::ranges::is_sorted(out.transitions_)) return bad();
  file.remove_prefix(header.body(8));
  if (!file.starts_with('\n') || !file.ends_with('\n') || file.size() < 2) return bad();
  const auto footer = file.substr(1, file.size() - 2);
  if (!footer.empty() && !FooterReader(footer).read(out.rule_)) return bad();
  return out;
}

Result<TimeZone> load_time_zone(const std::string& name) {
  if (name == "UTC") return TimeZone();
  const bool plain = !name.empty() && name.front() != '/' && name.find("..") == name.npos;
  const auto file = std::filesystem::path("/usr/share/zoneinfo") / name;
  std::error_code ec;
  if (!plain || !std::filesystem::is_regular_file(file, ec))
    return fail(Code::invalid, fmt::format("\"{}\" is no time zone", name.substr(0, 40)),
                "Write one like Europe/Berlin; /usr/share/zoneinfo (package tzdata) has them.");
  const auto text = read_text_file(file);
  if (!text) return fail(text.error());
  return TimeZone::parse(*text, name);
}

}  // namespace aurum::model
