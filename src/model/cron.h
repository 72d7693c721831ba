#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/time_zone.h"

namespace aurum::model {

/// A cron expression of five fields (minute, hour, day of the month, month, day of the week) with
/// lists, ranges, steps and names; also @hourly, @daily, @weekly, @monthly and @yearly. As usual,
/// a day must fit one of the two day fields when both are restricted, else both. Pure.
///
/// When the clock is set forward, what falls into the hour that is left out happens at the change;
/// when it is set back, a fixed hour happens once, at its first showing. An expression for every
/// hour follows the hours as they pass. (cron_test.cc has the tables.)
class Cron {
 public:
  static Result<Cron> parse(std::string_view text);

  const std::string& text() const { return text_; }
  /// The first moment after `after`, in seconds since 1970; nothing in the next ten years.
  std::optional<std::int64_t> next(std::int64_t after, const TimeZone& zone) const;
  /// The last moment at or before `until`.
  std::optional<std::int64_t> last(std::int64_t until, const TimeZone& zone) const;

  friend bool operator==(const Cron& a, const Cron& b) { return a.text_ == b.text_; }

 private:
  bool fits_day(std::int64_t day) const;
  bool comes() const;
  /// The moments of one day, in no order.
  template <class Visit>
  void visit_day(std::int64_t day, const TimeZone& zone, Visit visit) const;

  std::string text_;
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0, days_ = 0, months_ = 0, weekdays_ = 0;
  bool any_day_ = false, any_weekday_ = false;
};

}  // namespace aurum::model
