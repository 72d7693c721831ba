#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// What clocks on the wall of a place show: the time zone database's files (RFC 8536). Pure; all
/// times are seconds since 1970.
namespace aurum::model {

class TimeZone {
 public:
  TimeZone() = default;  ///< UTC
  /// The content of a file of /usr/share/zoneinfo.
  static Result<TimeZone> parse(std::string_view file, std::string name);

  const std::string& name() const { return name_; }
  /// Seconds east of UTC at that moment.
  std::int64_t offset_at(std::int64_t utc) const;

  /// When the clock there shows `local`: twice when it is set back over it; never when it is set
  /// forward over it, and then `first` is the moment of that change.
  struct Moments {
    std::int64_t first = 0, second = 0;
    bool twice = false, never = false;
  };
  Moments moments_of(std::int64_t local) const;

  friend bool operator==(const TimeZone& a, const TimeZone& b) { return a.name_ == b.name_; }

 private:
  /// A day of the year of the footer's rule, and seconds of it.
  struct Change {
    enum class Form { month_week_day, julian, zero_based } form = Form::month_week_day;
    int month = 0, week = 0, day = 0;
    std::int64_t seconds = 7200;
    std::int64_t local_in(int year) const;
  };
  /// What holds behind the last transition of the file.
  struct Rule {
    bool present = false, summer = false;
    std::int64_t standard_offset = 0, summer_offset = 0;
    Change begin, end;
    std::int64_t offset_at(std::int64_t utc) const;
  };
  friend class FooterReader;

  std::string name_ = "UTC";
  std::vector<std::int64_t> transitions_;  ///< ascending
  std::vector<std::int64_t> offsets_;      ///< from each transition on
  std::int64_t first_offset_ = 0;          ///< before all of them
  Rule rule_;
};

/// Reads it from the machine's database; "UTC" needs none. Code::invalid names what is wrong.
Result<TimeZone> load_time_zone(const std::string& name);

}  // namespace aurum::model
