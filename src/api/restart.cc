#include "api/restart.h"

#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>

namespace aurum::api {
namespace {

using Step = std::optional<Refusal>;

/// X.Y since PostgreSQL 10, X.Y.Z before.
Step check_version(const std::string& text) {
  std::vector<int> parts;
  std::string_view rest = text;
  for (;;) {
    const auto dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    int number = 0;
    const auto [end, ec] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (ec != std::errc() || end != part.data() + part.size() || number < 0)
      return Refusal{400, "Invalid PostgreSQL version: " + text};
    parts.push_back(number);
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  const bool good = (parts.size() == 2 && parts[0] >= 10) || (parts.size() == 3 && parts[0] < 10);
  if (good) return std::nullopt;
  return Refusal{400, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: " + text};
}

Step take_role(const model::Value& value, core::RestartRequest& out) {
  out.role = value.text();
  if (out.role == "master") out.role = "primary";
  if (out.role == "primary" || out.role == "standby_leader" || out.role == "replica")
    return std::nullopt;
  return Refusal{400, "PostgreSQL role should be either primary, standby_leader, or replica"};
}

Step take_timeout(const model::Value& value, core::RestartRequest& out) {
  // A year: what is longer is a slip, and would overflow a duration.
  constexpr std::int64_t kLongestMs = 365LL * 86'400'000;
  const auto ms = model::read_duration_ms(value);
  if (!ms || *ms <= 0 || *ms > kLongestMs)
    return Refusal{400, "Timeout should be a positive number of seconds"};
  out.timeout = milliseconds(*ms);
  return std::nullopt;
}

Step take(const std::string& key, const model::Value& value, WallTime now,
          core::RestartRequest& out) {
  if (key == "schedule") {
    const auto at = read_schedule(value, "restart", now);
    if (!at) return at.error();
    out.at = *at;
    out.raw.set(key, schedule_text(*at));
    return std::nullopt;
  }
  if (key == "role") return take_role(value, out);
  if (key == "postgres_version") {
    out.postgres_version = value.text();
    return check_version(out.postgres_version);
  }
  if (key == "timeout") return take_timeout(value, out);
  if (key == "restart_pending") {
    out.only_pending = true;  // its presence counts, not its value
    return std::nullopt;
  }
  return Refusal{400, "Unknown filter for the scheduled restart: " + key};
}

}  // namespace

tl::expected<core::RestartRequest, Refusal> read_restart(const model::Value& body, WallTime now,
                                                         bool paused) {
  if (paused && body.find("schedule") != nullptr)
    return tl::unexpected(Refusal{500, "Can't schedule restart in the paused state"});
  core::RestartRequest out;
  out.raw = body;
  for (const auto& [key, value] : body.as_object())
    if (auto refused = take(key, value, now, out)) return tl::unexpected(std::move(*refused));
  return out;
}

}  // namespace aurum::api
