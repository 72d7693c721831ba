#include "backup/show.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "backup/schedule.h"
#include "backup/trial_schedule.h"
#include "backup/wal_gap.h"
#include "model/decode.h"

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

/// What was tried last, and how it ended.
std::string last_trial_text(const TrialState& trials) {
  const std::int64_t ended = trials.last ? begun_at(*trials.last) : 0;
  if (!trials.failed.empty() && trials.failed.back().started >= ended)
    return fmt::format("{} {}", shortly(trials.failed.back().started),
                       trials.failed.back().cut_off ? "cut off" : "FAILED");
  if (!trials.last) return "never";
  return shortly(ended) + (trials.last->ok ? "" : " FAILED");
}

std::string schedule_row(const model::BackupSchedule& schedule, std::string_view scope,
                         RunKind kind, std::string_view name, const std::string& last,
                         std::int64_t now) {
  const auto& times = times_of(schedule, kind);
  const auto next = next_time(schedule, scope, kind, now);
  return fmt::format("{:<8} {:<20} {:<25} {}\n", name, times ? times->text().substr(0, 20) : "off",
                     last, next ? shortly(*next) : "-");
}

std::string render_trials(const BackupKeys& keys) {
  const auto& trials = keys.trials;
  std::string out;
  if (keys.trial_lock)
    out += fmt::format("restore test runs on {} since {}{}{}\n", keys.trial_lock->node,
                       shortly(keys.trial_lock->started),
                       keys.trial_lock->doing.empty() ? "" : ": ", keys.trial_lock->doing);
  if (trials.last) {
    out += restore_trial_line(*trials.last) + "\n";
    out += fmt::format("  of {}\n", trials.last->backup);
  }
  if (!trials.failed.empty())
    out +=
        fmt::format("restore test FAILS {} times, last on {}:\n  {}\n", trials.failed.size(),
                    trials.failed.back().node, trials.failed.back().error.substr(0, kErrorShown));
  return out;
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
  for (const RunKind kind : kShown)
    out += schedule_row(schedule, scope, kind, to_string(kind),
                        last_text(last_of(keys.state, kind)), now);
  out += schedule_row(schedule, scope, RunKind::restore_test, "test", last_trial_text(keys.trials),
                      now);
  if (keys.lock)
    out += fmt::format("running: {} on {} since {}{}\n", to_string(keys.lock->kind),
                       keys.lock->node, shortly(keys.lock->started),
                       keys.lock->percent < 0 ? "" : fmt::format(", {:.0f} %", keys.lock->percent));
  const auto& state = keys.state;
  if (state.failures > 0 && !state.recent.empty())
    out += fmt::format("FAILS {} times, last on {}:\n  {}\n", state.failures,
                       state.recent.back().node, state.recent.back().error.substr(0, kErrorShown));
  return out + render_trials(keys);
}

Value trials_value(const model::BackupSchedule& schedule, std::string_view scope,
                   const BackupKeys& keys, std::int64_t now) {
  const auto& trials = keys.trials;
  Value out;
  const auto& times = times_of(schedule, RunKind::restore_test);
  out.set("times", times ? Value(times->text()) : Value());
  const auto next = next_time(schedule, scope, RunKind::restore_test, now);
  out.set("next", next ? Value(*next) : Value());
  out.set("late_seconds", trial_late_s(schedule, scope, keys.state, trials, now));
  if (keys.trial_lock) {
    Value running;
    running.set("node", keys.trial_lock->node);
    running.set("started", keys.trial_lock->started);
    if (!keys.trial_lock->doing.empty()) running.set("doing", keys.trial_lock->doing);
    out.set("running", std::move(running));
  }
  if (trials.last) out.set("last", to_value(*trials.last));
  if (trials.good_at != 0) out.set("last_good", trials.good_at);
  Value failed = Value::array();
  for (const auto& one : trials.failed) failed.push_back(to_value(one));
  out.set("failed", std::move(failed));
  return out;
}

void add_proofs(Value& document, const BackupKeys& keys) {
  auto* backups = document.find("backups");
  if (backups == nullptr || !backups->is_array()) return;
  const auto verified = keys.state.good.find(RunKind::verify);
  const auto& trial = keys.trials.last;
  for (auto& row : backups->as_array()) {
    // First both are read: setting one moves the members.
    const bool looked_at =
        verified != keys.state.good.end() && model::int_at(row, "stop") <= verified->second.started;
    const bool restored = trial && trial->ok && model::text_at(row, "label") == trial->backup;
    row.set("verified", looked_at);
    row.set("restore_tested", restored);
  }
}

std::string render_proofs(const Catalogue& catalogue, const BackupKeys& keys) {
  if (catalogue.backups.empty()) return {};
  const auto verified = keys.state.good.find(RunKind::verify);
  std::string newest;
  std::size_t newer = 0;
  for (const auto& backup : catalogue.backups) {
    const bool looked_at =
        verified != keys.state.good.end() && backup.stop <= verified->second.started;
    newer = looked_at ? 0 : newer + 1;
    if (looked_at) newest = backup.label;
  }
  std::string out = newest.empty() ? "verified: none yet" : "verified: up to " + newest;
  if (!newest.empty() && newer > 0) out += fmt::format(", {} newer not yet", newer);
  const auto& trial = keys.trials.last;
  const bool tested = trial && trial->ok &&
                      std::ranges::find(catalogue.backups, trial->backup, &Backup::label) !=
                          catalogue.backups.end();
  return out + "\nrestore-tested: " + (tested ? trial->backup : "none of these yet") + "\n";
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
