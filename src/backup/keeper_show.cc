// What REST and metrics show of backups.
#include <algorithm>

#include <fmt/format.h>

#include "backup/exporter.h"
#include "backup/keeper.h"
#include "backup/show.h"
#include "backup/trial_schedule.h"
#include "backup/wal_gap.h"
#include "runtime/clock.h"

namespace aurum::backup {

using model::Value;

namespace {

/// Age, outcome and times of the restore tests; labels `of`.
void write_trials(std::string& out, const std::string& of, const model::LocalConfig& config,
                  const BackupKeys& keys) {
  const auto& trials = keys.trials;
  const std::int64_t now = runtime::wall_now_s();
  const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
    Series(out, name, help).sample(of, value);
  };
  gauge("aurum_restore_test_running", "Whether a restore test runs in the cluster now.",
        std::int64_t{keys.trial_lock.has_value()});
  gauge("aurum_restore_test_failures",
        "Scheduled restore tests that failed since the last good one.",
        static_cast<std::int64_t>(std::ranges::count(trials.failed, false, &TrialTry::cut_off)));
  gauge("aurum_restore_test_late_seconds",
        "For how long the schedule has wanted a good restore test that was not made.",
        trial_late_s(config.aurum.backup->schedule, config.scope, keys.state, trials, now));
  if (trials.good_at != 0)
    gauge("aurum_restore_test_age_seconds", "Seconds since the last good restore test was begun.",
          std::max<std::int64_t>(now - trials.good_at, 0));
  if (!trials.last) return;
  gauge("aurum_restore_test_ok", "Whether the last restore test found all well.",
        std::int64_t{trials.last->ok});
  gauge("aurum_restore_test_rto_seconds", "How long the restore and the recovery in it took.",
        trials.last->rto_s);
  gauge("aurum_restore_test_rpo_seconds", "Age of the newest commit that was in the archive.",
        trials.last->rpo_s);
}

}  // namespace

Value Keeper::document() const {
  const AgentView view = setting_.look();
  if (view.config == nullptr || !view.config->aurum.backup) return Value::object();
  const auto& backup = *view.config->aurum.backup;
  Value out;
  if (catalogue_ && view.leads) {  // another node's is old
    const auto parsed = model::parse_json(catalogue_json(*catalogue_, backup.stanza));
    if (parsed) out = *parsed;
    add_proofs(out, view.keys);
  }
  out.set("stanza", backup.stanza);
  if (!catalogue_error_.empty()) out.set("error", catalogue_error_);
  out.set("schedule",
          schedule_value(backup.schedule, view.config->scope, view.keys, runtime::wall_now_s()));
  out.set("restore_test",
          trials_value(backup.schedule, view.config->scope, view.keys, runtime::wall_now_s()));
  Value archiving;
  archiving.set("failing", archive_.failing());
  archiving.set("waiting", static_cast<std::int64_t>(archive_.waiting));
  archiving.set("left", static_cast<std::int64_t>(archive_.left));
  if (!archive_.oldest_waiting.empty()) archiving.set("oldest_waiting", archive_.oldest_waiting);
  if (!archive_.state.ok_file.empty()) archiving.set("last", archive_.state.ok_file);
  if (archive_.failing()) archiving.set("error", archive_.state.error);
  if (!gap_.empty()) archiving.set("gap", gap_);
  out.set("archiving", std::move(archiving));
  Value space = Value::array();
  for (const auto& [number, bytes] : space_) {
    Value row;
    row.set("repository", number);
    row.set("free", bytes.free);
    row.set("size", bytes.size);
    space.push_back(std::move(row));
  }
  out.set("space", std::move(space));
  return out;
}

std::string Keeper::metrics() const {
  const AgentView view = setting_.look();
  if (view.config == nullptr || !view.config->aurum.backup) return {};
  const auto& config = *view.config;
  const auto& backup = *config.aurum.backup;
  const auto now = runtime::wall_now();
  const auto of = fmt::format("{},{},{}", label("scope", config.scope), label("name", config.name),
                              label("stanza", backup.stanza));
  std::string out;
  if (catalogue_ && view.leads)
    out += render_exporter(*catalogue_, backup.stanza, runtime::wall_now_s());
  const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
    Series(out, name, help).sample(of, value);
  };
  Series age(out, "aurum_backup_age_seconds",
             "Seconds since the last good backup of this kind was begun.");
  for (const auto& [kind, run] : view.keys.state.good)
    if (is_backup(kind))
      age.sample(fmt::format("{},{}", of, label("backup_type", to_string(kind))),
                 std::max<std::int64_t>(runtime::wall_now_s() - run.started, 0));
  gauge("aurum_backup_running", "Whether pgBackRest works for the cluster now.",
        std::int64_t{view.keys.lock.has_value()});
  gauge("aurum_backup_failures", "Runs that failed since the last good one.",
        std::int64_t{view.keys.state.failures});
  write_trials(out, of, config, view.keys);
  const bool primary =
      view.leads && view.facts != nullptr && view.facts->accepting && !view.facts->in_recovery;
  gauge("aurum_archive_lag_bytes",
        "WAL that is written and not archived, as of the last 3 seconds; 0 on a standby.",
        std::int64_t{primary ? archive_lag_bytes(archive_, view.facts->flush_lsn) : 0});
  gauge("aurum_archive_lag_seconds",
        "Age of the oldest finished WAL file that is not archived, looked at every 2 seconds.",
        archive_lag_seconds(archive_, now));
  gauge("aurum_archive_waiting_files", "Finished WAL files that are not archived.",
        static_cast<std::int64_t>(archive_.waiting + archive_.left));
  gauge("aurum_archive_failures", "Calls to the repository that failed since the last good one.",
        std::int64_t{archive_.state.failures});
  gauge("aurum_archive_gap", "Whether WAL is known to be in no archive.",
        std::int64_t{!gap_.empty()});
  Series free(out, "aurum_backup_repository_free_bytes", "Space left for backups.");
  for (const auto& [number, bytes] : space_)
    free.sample(fmt::format("{},repo_key=\"{}\"", of, number), bytes.free);
  Series size(out, "aurum_backup_repository_size_bytes", "Size of the repository's file system.");
  for (const auto& [number, bytes] : space_)
    size.sample(fmt::format("{},repo_key=\"{}\"", of, number), bytes.size);
  return out;
}

}  // namespace aurum::backup
