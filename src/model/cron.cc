#include "model/cron.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <vector>

#include <fmt/format.h>

namespace aurum::model {

namespace chr = std::chrono;

namespace {

constexpr std::int64_t kDay = 86'400;
/// 29 February comes every eight years at worst.
constexpr std::int64_t kDaysSearched = 366L * 10;
constexpr std::uint32_t kAllHours = (1U << 24) - 1;

struct Field {
  std::string_view name;
  int min = 0, max = 0;
  std::vector<std::string_view> words;  ///< of min, min + 1, …
};

const std::array<Field, 5>& fields() {
  static const std::array<Field, 5> kFields{
      Field{"minute", 0, 59, {}},
      {"hour", 0, 23, {}},
      {"day of the month", 1, 31, {}},
      {"month",
       1,
       12,
       {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
      {"day of the week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}};
  return kFields;
}

struct Short {
  std::string_view name, meaning;
};
constexpr std::array kShorts{Short{"@hourly", "0 * * * *"},   Short{"@daily", "0 0 * * *"},
                             Short{"@midnight", "0 0 * * *"}, Short{"@weekly", "0 0 * * 0"},
                             Short{"@monthly", "0 0 1 * *"},  Short{"@yearly", "0 0 1 1 *"},
                             Short{"@annually", "0 0 1 1 *"}};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  while (true) {
    const auto end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == text.npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (const auto word : split(text, ' '))
    if (!word.empty()) out.push_back(word);
  return out;
}

/// A number or name of the field; -1 for anything else.
int value_of(const Field& field, std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (const auto word = std::ranges::find(field.words, lower); word != field.words.end())
    return field.min + static_cast<int>(word - field.words.begin());
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value >= field.min && value <= field.max ? value : -1;
}

tl::unexpected<Error> bad(const Field& field, std::string_view part, std::string_view what,
                          std::string hint) {
  return fail(Code::invalid, fmt::format("{} \"{}\" {}", field.name, part.substr(0, 40), what),
              std::move(hint));
}

/// "*", "5", "1-5", "mon-fri", each with "/step" behind a range or "*".
Result<std::uint64_t> parse_part(const Field& field, std::string_view part) {
  const auto slash = part.find('/');
  const auto range = part.substr(0, slash);
  const bool stepped = slash != part.npos;
  int from = field.min, to = field.max, step = 1;
  if (const auto dash = range.find('-'); range != "*" && dash != range.npos) {
    from = value_of(field, range.substr(0, dash));
    to = value_of(field, range.substr(dash + 1));
  } else if (range != "*") {
    from = to = value_of(field, range);
    if (stepped)
      return bad(field, part, "has a step without a range",
                 fmt::format("Write {}-{}/…, or */….", range, field.max));
  }
  if (from < 0 || to < 0)
    return bad(
        field, part, "is not understood",
        fmt::format("It goes from {} to {}, with \",\", \"-\" and \"/\".", field.min, field.max));
  if (from > to) return bad(field, part, "ends before it begins", "Write two ranges with a comma.");
  if (stepped) {
    const auto text = part.substr(slash + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (error != std::errc() || end != text.data() + text.size() || step < 1 || step > field.max)
      return bad(field, part, "has no such step", "Write a number, as in */15.");
  }
  std::uint64_t out = 0;
  for (int value = from; value <= to; value += step) out |= std::uint64_t{1} << value;
  return out;
}

Result<std::uint64_t> parse_field(const Field& field, std::string_view text) {
  std::uint64_t out = 0;
  for (const auto part : split(text, ',')) {
    const auto mask = parse_part(field, part);
    if (!mask) return fail(mask.error());
    out |= *mask;
  }
  return out;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  Cron out;
  const auto given = words_of(text);
  const auto shortened =
      std::ranges::find(kShorts, given.size() == 1 ? given[0] : "", &Short::name);
  const auto words = shortened == kShorts.end() ? given : words_of(shortened->meaning);
  if (words.size() != fields().size())
    return fail(Code::invalid, fmt::format("\"{}\" is no cron expression", text.substr(0, 60)),
                "Write five fields: minute, hour, day of the month, month, day of the week.");
  std::array<std::uint64_t, 5> masks{};
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const auto mask = parse_field(fields()[i], words[i]);
    if (!mask) return fail(mask.error());
    masks[i] = *mask;
  }
  for (const auto word : given) out.text_ += (out.text_.empty() ? "" : " ") + std::string(word);
  out.minutes_ = masks[0];
  out.hours_ = static_cast<std::uint32_t>(masks[1]);
  out.days_ = static_cast<std::uint32_t>(masks[2]);
  out.months_ = static_cast<std::uint32_t>(masks[3]);
  // Sunday is 0 and 7.
  out.weekdays_ = static_cast<std::uint32_t>((masks[4] | masks[4] >> 7) & 0x7F);
  out.any_day_ = words[2].starts_with('*');
  out.any_weekday_ = words[4].starts_with('*');
  if (!out.comes())
    return fail(Code::invalid, fmt::format("\"{}\" never comes", text.substr(0, 60)),
                "No such month has that day.");
  return out;
}

bool Cron::comes() const {
  if (!any_weekday_) return true;
  constexpr std::array kLengths{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (std::size_t month = 1; month <= kLengths.size(); ++month)
    for (int day = 1; day <= kLengths[month - 1]; ++day)
      if ((months_ >> month & 1U) != 0 && (days_ >> day & 1U) != 0) return true;
  return false;
}

bool Cron::fits_day(std::int64_t day) const {
  const chr::sys_days date{chr::days(day)};
  const chr::year_month_day civil(date);
  const bool month = (months_ >> unsigned{civil.month()} & 1U) != 0;
  const bool by_day = (days_ >> unsigned{civil.day()} & 1U) != 0;
  const bool by_weekday = (weekdays_ >> chr::weekday(date).c_encoding() & 1U) != 0;
  const bool either = !any_day_ && !any_weekday_;
  return month && (either ? by_day || by_weekday : by_day && by_weekday);
}

template <class Visit>
void Cron::visit_day(std::int64_t day, const TimeZone& zone, Visit visit) const {
  const bool every_hour = hours_ == kAllHours;
  for (int hour = 0; hour < 24; ++hour) {
    if ((hours_ >> hour & 1U) == 0) continue;
    for (int minute = 0; minute < 60; ++minute) {
      if ((minutes_ >> minute & 1U) == 0) continue;
      const auto moments = zone.moments_of(day * kDay + hour * 3600 + minute * 60);
      if (moments.never && every_hour) continue;
      visit(moments.first);
      if (moments.twice && every_hour) visit(moments.second);
    }
  }
}

std::optional<std::int64_t> Cron::next(std::int64_t after, const TimeZone& zone) const {
  const auto local = after + zone.offset_at(after);
  // From the day before on: where the clock is set back at midnight, a day goes on behind the next.
  const std::int64_t first = (local >= 0 ? local / kDay : (local + 1) / kDay - 1) - 1;
  std::optional<std::int64_t> best;
  for (std::int64_t day = first; day < first + kDaysSearched; ++day) {
    if (!fits_day(day)) continue;
    visit_day(day, zone, [&](std::int64_t at) {
      if (at > after && (!best || at < *best)) best = at;
    });
    if (best) return best;
  }
  return std::nullopt;
}

std::optional<std::int64_t> Cron::last(std::int64_t until, const TimeZone& zone) const {
  const auto local = until + zone.offset_at(until);
  const std::int64_t first = (local >= 0 ? local / kDay : (local + 1) / kDay - 1) + 1;
  std::optional<std::int64_t> best;
  for (std::int64_t day = first; day > first - kDaysSearched; --day) {
    if (!fits_day(day)) continue;
    visit_day(day, zone, [&](std::int64_t at) {
      if (at <= until && (!best || at > *best)) best = at;
    });
    if (best) return best;
  }
  return std::nullopt;
}

}  // namespace aurum::model
