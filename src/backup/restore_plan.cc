#include "backup/restore_plan.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "pg/render.h"

namespace aurum::backup {

namespace {

constexpr std::uint64_t kDefaultSegment = 16UL << 20;
constexpr std::int64_t kSecond = 1'000'000;

std::uint64_t hex(std::string_view digits) {
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

model::Timeline timeline_of(const Backup& backup) {
  return backup.wal_stop.size() == 24
             ? static_cast<model::Timeline>(hex(std::string_view(backup.wal_stop).substr(0, 8)))
             : 0;
}

/// Where it is consistent; of the segment's end when nothing better is known.
model::Lsn end_of(const Backup& backup) {
  if (backup.lsn_stop || backup.wal_stop.size() != 24) return backup.lsn_stop;
  const std::string_view name = backup.wal_stop;
  return model::Lsn{(hex(name.substr(8, 8)) << 32) +
                    (hex(name.substr(16, 8)) + 1) * kDefaultSegment};
}

/// pgBackRest tells whole seconds: surely over a second later.
WallTime over_at(const Backup& backup) { return {(backup.stop + 1) * kSecond}; }

tl::unexpected<Error> unreachable(const RestorePlan& window, std::string why) {
  return fail(Code::not_found,
              fmt::format("{}: reachable is {} to {}", why, moment(window.from), window.to),
              "Nothing was changed. `aurum backup list` shows the backups.");
}

/// Only a time, or a position, says by itself which backups come before it.
bool comes_before(const Backup& backup, const model::RecoveryTarget& target,
                  std::optional<WallTime> time, std::optional<model::Lsn> lsn) {
  switch (target.kind) {
    case model::RecoveryTarget::Kind::time:
      return over_at(backup) <= *time;
    case model::RecoveryTarget::Kind::lsn:
      return end_of(backup) <= *lsn;
    case model::RecoveryTarget::Kind::latest:
    case model::RecoveryTarget::Kind::xid:
    case model::RecoveryTarget::Kind::name:
      return true;
  }
  return false;
}

struct Parsed {
  std::optional<WallTime> time;
  std::optional<model::Lsn> lsn;
};

Result<Parsed> parse_target(const model::RecoveryTarget& target) {
  using Kind = model::RecoveryTarget::Kind;
  Parsed out;
  if (target.kind == Kind::time) {
    const auto time = model::parse_iso8601(target.value);
    if (!time) return fail(time.error().within("--time " + target.value));
    out.time = *time;
  } else if (target.kind == Kind::lsn) {
    const auto lsn = model::parse_lsn(target.value);
    if (!lsn) return fail(lsn.error().within("--lsn " + target.value));
    out.lsn = *lsn;
  } else if (target.kind == Kind::xid) {
    std::uint64_t number = 0;
    const char* const end = target.value.data() + target.value.size();
    const auto [at, ec] = std::from_chars(target.value.data(), end, number);
    if (ec != std::errc() || at != end || number < 3)
      return fail(Code::invalid, fmt::format("'{}' is no transaction number", target.value));
  } else if (target.kind == Kind::name && (target.value.empty() || target.value.size() >= 64)) {
    return fail(Code::invalid, "a restore point's name has 1 to 63 bytes");
  }
  return out;
}

/// A restore that took this time back already: PostgreSQL names the target in the history file,
/// where an ordinary promotion has the same words each time.
void warn_of_earlier_restore(RestorePlan& plan, const Line& line, WallTime time) {
  for (const auto& entry : line.history) {
    const auto since = model::parse_iso8601(entry.time);
    if (!since || *since <= time) continue;
    const bool restored = !entry.reason.empty() && entry.reason != "no recovery target specified";
    if (restored)
      plan.warnings.push_back(
          fmt::format("a restore at {} took back what timeline {} wrote last; if you want a moment "
                      "of that, add --timeline {}",
                      moment(*since), entry.timeline, entry.timeline));
    return;
  }
}

void say_what_is_lost(RestorePlan& plan, const PlanRequest& request, const Parsed& parsed) {
  if (parsed.time) {
    plan.lost_span = milliseconds((request.now.us - parsed.time->us) / 1000);
    warn_of_earlier_restore(plan, request.line, *parsed.time);
  }
  if (parsed.lsn && request.current && *request.current > *parsed.lsn)
    plan.lost_bytes = request.current->value - parsed.lsn->value;
  using Kind = model::RecoveryTarget::Kind;
  if (plan.target.kind != Kind::xid && plan.target.kind != Kind::name) return;
  plan.warnings.push_back(fmt::format(
      "where {} is in the WAL is not known before it is replayed: it must come after the backup "
      "(else name an older one with --backup)",
      model::describe(plan.target)));
}

Status check_reachable(const RestorePlan& window, const PlanRequest& request,
                       const Parsed& parsed) {
  if (parsed.time && *parsed.time > request.now)
    return unreachable(window, moment(*parsed.time) + " is in the future");
  if (parsed.lsn && request.current && *parsed.lsn > *request.current)
    return unreachable(window,
                       fmt::format("LSN {} is not written yet", model::to_string(*parsed.lsn)));
  // A position behind the fork of another line's timeline lies on no WAL of this one: none there.
  return {};
}

}  // namespace

std::optional<Line> line_of(const Line& line, model::Timeline timeline) {
  if (timeline == line.timeline) return line;
  Line out{timeline, {}};
  for (const auto& entry : line.history) {
    if (entry.timeline == timeline) return out;
    out.history.push_back(entry);
  }
  return std::nullopt;
}

bool is_on_line(const Backup& backup, const Line& line) {
  const model::Timeline timeline = timeline_of(backup);
  if (timeline == 0) return false;
  if (timeline == line.timeline) return true;
  return std::ranges::any_of(line.history, [&](const model::HistoryEntry& entry) {
    return entry.timeline == timeline && end_of(backup) <= entry.lsn;
  });
}

Result<RestorePlan> plan_restore(const Catalogue& catalogue, const PlanRequest& request) {
  const auto parsed = parse_target(request.target);
  if (!parsed) return fail(parsed.error());
  if (catalogue.status > kStanzaWithoutBackups)
    return fail(Code::unavailable, catalogue.message,
                "The repository can not be read; nothing was changed.");
  std::vector<const Backup*> usable;
  for (const auto& backup : catalogue.backups) {
    const bool ours =
        request.system_identifier.empty() || backup.system_identifier == request.system_identifier;
    if (ours && !backup.error && is_on_line(backup, request.line)) usable.push_back(&backup);
  }
  if (usable.empty())
    return fail(Code::not_found,
                catalogue.backups.empty()
                    ? "there is no backup"
                    : fmt::format("none of the {} backups belongs to timeline {} of this cluster",
                                  catalogue.backups.size(), request.line.timeline),
                "Nothing was changed. `aurum backup list` shows the backups.");
  RestorePlan plan{.target = request.target, .timeline = request.line.timeline};
  plan.from = over_at(*usable.front());
  plan.to = request.current ? fmt::format("now ({})", moment(request.now)) : "the end of the WAL";
  const auto reachable = check_reachable(plan, request, *parsed);
  if (!reachable) return fail(reachable.error());
  const Backup* chosen = nullptr;
  bool named = false;
  for (const Backup* backup : usable) {
    named = named || backup->label == request.backup;
    if (!request.backup.empty() && backup->label != request.backup) continue;
    if (comes_before(*backup, request.target, parsed->time, parsed->lsn)) chosen = backup;
  }
  if (!request.backup.empty() && !named)
    return fail(Code::not_found, fmt::format("there is no usable backup {}", request.backup),
                "`aurum backup list` shows the backups.");
  if (chosen == nullptr)
    return unreachable(plan, fmt::format("{} is before {}", model::describe(request.target),
                                         request.backup.empty() ? "the end of the oldest backup"
                                                                : "the end of that backup"));
  plan.backup = *chosen;
  if (parsed->time) plan.target.value = model::iso8601(*parsed->time);
  if (parsed->lsn) plan.target.value = model::to_string(*parsed->lsn);
  say_what_is_lost(plan, request, *parsed);
  return plan;
}

std::string span_text(Duration span) {
  const std::int64_t s = std::max<std::int64_t>(to_ms(span) / 1000, 0);
  if (s < 120) return fmt::format("{} s", s);
  if (s < 7200) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 172'800) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
  return fmt::format("{} days {} h", s / 86'400, s % 86'400 / 3600);
}

std::string render_plan(const RestorePlan& plan) {
  std::string out =
      fmt::format("  target     {}, on timeline {}\n", model::describe(plan.target), plan.timeline);
  out += fmt::format("  backup     {}\n             {}, ended {}, {}\n", plan.backup.label,
                     plan.backup.type, moment(WallTime{plan.backup.stop * kSecond}),
                     pg::human_bytes(static_cast<double>(plan.backup.size)));
  out += fmt::format("  reachable  {} to {}\n", moment(plan.from), plan.to);
  if (plan.lost_span)
    out +=
        fmt::format("  lost       what was committed in the last {}\n", span_text(*plan.lost_span));
  if (plan.lost_bytes)
    out += fmt::format("  lost       what was written since: {} of WAL\n",
                       pg::human_bytes(static_cast<double>(*plan.lost_bytes)));
  if (plan.target.kind == model::RecoveryTarget::Kind::latest)
    out += "  lost       only what was not archived\n";
  for (const auto& warning : plan.warnings) out += fmt::format("  note       {}\n", warning);
  return out;
}

model::Value plan_value(const RestorePlan& plan) {
  model::Value out = model::Value::object();
  out.set("backup", plan.backup.label);
  out.set("target", model::to_string(plan.target.kind));
  out.set("target_value", plan.target.value);
  out.set("timeline", std::int64_t{plan.timeline});
  out.set("reachable_from", model::iso8601(plan.from));
  if (plan.lost_span) out.set("lost_seconds", to_ms(*plan.lost_span) / 1000);
  if (plan.lost_bytes) out.set("lost_bytes", static_cast<std::int64_t>(*plan.lost_bytes));
  model::Value warnings = model::Value::array();
  for (const auto& warning : plan.warnings) warnings.push_back(warning);
  out.set("warnings", std::move(warnings));
  return out;
}

}  // namespace aurum::backup
