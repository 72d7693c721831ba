#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace aurum::cli {

/// A scheduled time as the REST API wants it: ISO 8601 with offset, or "" for "now". `text` is a
/// date with a time
/// ("2026-11-23T04:00", "2026-11-23 04:00:30.5+02", "…Z"); without a zone it is local time (TZ).
/// Code::invalid with Patroni's sentence for anything else, a bare date or a bare hour included:
/// they mean different days to different people.
Result<std::string> parse_schedule(std::string_view text);

/// "2026-11-23 04:00:00+00:00", as prompts show a scheduled time.
std::string with_blank(std::string_view iso);

/// Local time of day for people: "2026-11-22 21:10:56".
std::string local_seconds(WallTime at);
/// "2026-11-22 21:10:56.12345": five digits, as the lines of switchover begin.
std::string local_fraction(WallTime at);
/// "2026-11-22T22:11", an example an hour from now.
std::string example_schedule(WallTime now);

}  // namespace aurum::cli
