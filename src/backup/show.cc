#include "backup/show.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "backup/catalogue.h"
#include "backup/schedule.h"
#include "backup/wal_gap.h"

namespace aurum::backup {

using model::Value;

namespace {

constexpr std::array kShown{RunKind::full, RunKind::diff, RunKind::incr, RunKind::verify};
constexpr std::size_t kErrorShown = 66;

const Run* last_of(const ClusterBackups& state, RunKind kind) {
  const auto found =
      std::ranges::find(state.recent.rbegin(), state.recent.rend(), kind, &Run::kind);
  if (found != state.recent.rend()) return &*found;
  const auto good = state.good.find(kind);
  return good == state.good.end() ? nullptr : &good->second;
}

std::string shortly(std::int64_t at) { return moment(at).substr(0, 16); }

std::string last_text(const Run* run) {
  if (run == nullptr) return "never";
  if (run->ok()) return shortly(run->started);
  return fmt::format("{} {}", shortly(run->started), run->interrupted ? "cut off" : "FAILED");
}

}  // namespace

Value schedule_value(const model::BackupSchedule& schedule, std::string_view scope,
                     const BackupKeys& keys, std::int64_t now) {
  Value out;
  out.set("from", schedule.from);
  out.set("time_zone", schedule.zone.name());
  for (const RunKind kind : kShown) {
    Value row;
    const auto& times = times_of(schedule, kind);
    row.set("times", times ? Value(times->text()) : Value());
    const auto next = next_time(schedule, scope, kind, now);
    row.set("next", next ? Value(*next) : Value());
    if (const auto* last = last_of(keys.state, kind)) row.set("last", to_value(*last));
    if (const auto good = keys.state.good.find(kind); good != keys.state.good.end())
      row.set("last_good", to_value(good->second));
    out.set(to_string(kind), std::move(row));
  }
  if (keys.lock) {
    Value running;
    running.set("kind", to_string(keys.lock->kind));
    running.set("node", keys.lock->node);
    running.set("started", keys.lock->started);
    if (keys.lock->percent >= 0) running.set("percent", keys.lock->percent);
    out.set("running", std::move(running));
  }
  out.set("failures", keys.state.failures);
  return out;
}

std::string render_schedule(const model::BackupSchedule& schedule, std::string_view scope,
                            const BackupKeys& keys, std::int64_t now) {
  std::string out =
      fmt::format("{:<8} {:<20} {:<25} {:<16}  (UTC)\n", "kind", "times", "last run", "next run");
  for (const RunKind kind : kShown) {
    const auto& times = times_of(schedule, kind);
    const auto next = next_time(schedule, scope, kind, now);
    out += fmt::format("{:<8} {:<20} {:<25} {}\n", to_string(kind),
                       times ? times->text().substr(0, 20) : "off",
                       last_text(last_of(keys.state, kind)), next ? shortly(*next) : "-");
  }
  if (keys.lock)
    out += fmt::format("running: {} on {} since {}{}\n", to_string(keys.lock->kind),
                       keys.lock->node, shortly(keys.lock->started),
                       keys.lock->percent < 0 ? "" : fmt::format(", {:.0f} %", keys.lock->percent));
  const auto& state = keys.state;
  if (state.failures > 0 && !state.recent.empty())
    out += fmt::format("FAILS {} times, last on {}:\n  {}\n", state.failures,
                       state.recent.back().node, state.recent.back().error.substr(0, kErrorShown));
  return out;
}

std::int64_t archive_lag_bytes(const ArchiveReport& report, model::Lsn written) {
  Segment last;
  if (!parse_segment(report.state.ok_file, report.segment_size, last)) return 0;
  const auto end = (last.number + 1) * report.segment_size;
  return written.value > end ? static_cast<std::int64_t>(written.value - end) : 0;
}

double archive_lag_seconds(const ArchiveReport& report, WallTime now) {
  if (report.waiting == 0 || report.waiting_since.us == 0) return 0;
  return std::max(0.0, static_cast<double>(now.us - report.waiting_since.us) / 1e6);
}

}  // namespace aurum::backup
