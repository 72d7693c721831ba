#include "backup/schedule.h"

#include <algorithm>
#include <array>

namespace aurum::backup {

namespace {

/// Clocks of two nodes may differ by so much without one being wrong.
constexpr std::int64_t kSkew_s = 120;
/// Behind that a time has passed unheard.
constexpr std::int64_t kLate_s = 600;

/// How much later than its times this cluster begins: the same on every node, another for each
/// cluster (FNV-1a).
std::int64_t jitter(const model::BackupSchedule& schedule, std::string_view scope) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : scope) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  return static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(schedule.jitter_s + 1));
}

bool stands(const Run& run, std::int64_t now) { return is_past(run.started, now); }

/// Whether a run begun at or behind `since` makes `kind` needless.
bool is_done(const ClusterBackups& state, RunKind kind, std::int64_t since, std::int64_t now) {
  if (kind == RunKind::verify)  // also one that found damage has looked
    return std::ranges::any_of(state.recent, [&](const Run& run) {
      return run.kind == kind && !run.interrupted && stands(run, now) && run.started >= since;
    });
  return std::ranges::any_of(state.good, [&](const auto& entry) {
    const auto& [done, run] = entry;
    return is_backup(done) && done <= kind && stands(run, now) && run.started >= since;
  });
}

bool was_tried(const ClusterBackups& state, RunKind kind, std::int64_t since, std::int64_t now) {
  return std::ranges::any_of(state.recent, [&](const Run& run) {
    return run.kind == kind && stands(run, now) && run.started >= since;
  });
}

bool may_try(const ClusterBackups& state, std::int64_t now) {
  if (state.failures == 0 || state.recent.empty()) return true;
  const auto& last = state.recent.back();
  return !stands(last, now) || now >= last.ended + retry_after_s(state.failures);
}

/// The one before `now`, or behind it, of a schedule that is moved by its jitter.
std::optional<std::int64_t> time_of(const model::BackupSchedule& schedule, std::string_view scope,
                                    RunKind kind, std::int64_t now,
                                    decltype(&model::Cron::last) look) {
  const auto& times = times_of(schedule, kind);
  if (!times) return std::nullopt;
  const std::int64_t later = jitter(schedule, scope);
  const auto found = ((*times).*look)(now - later, schedule.zone);
  if (!found) return std::nullopt;
  return *found + later;
}

}  // namespace

bool has_backup(const ClusterBackups& state, std::int64_t until) {
  return std::ranges::any_of(state.good, [&](const auto& entry) {
    return is_backup(entry.first) && entry.second.started <= until;
  });
}

bool is_past(std::int64_t stamp, std::int64_t now) { return stamp <= now + kSkew_s; }
bool is_missed(std::int64_t since, std::int64_t now) { return now - since > kLate_s; }

const std::optional<model::Cron>& times_of(const model::BackupSchedule& schedule, RunKind kind) {
  static const std::optional<model::Cron> kNone;
  switch (kind) {
    case RunKind::full:
      return schedule.full;
    case RunKind::diff:
      return schedule.diff;
    case RunKind::incr:
      return schedule.incr;
    case RunKind::verify:
      return schedule.verify;
    case RunKind::restore_test:
      return schedule.restore_test;
    case RunKind::stanza:
      break;
  }
  return kNone;
}

std::int64_t retry_after_s(int failures) {
  constexpr std::array<std::int64_t, 5> kPauses{10, 60, 300, 900, 1800};
  if (failures <= 0) return 0;
  return kPauses[std::min<std::size_t>(static_cast<std::size_t>(failures), kPauses.size()) - 1];
}

std::optional<Due> due_run(const model::BackupSchedule& schedule, std::string_view scope,
                           const ClusterBackups& state, const ClusterNow& cluster) {
  const std::int64_t now = cluster.now;
  if (cluster.system_identifier.empty() || !may_try(state, now)) return std::nullopt;
  if (state.system_identifier != cluster.system_identifier || state.version != cluster.version)
    return Due{RunKind::stanza, now};
  if (state.running && is_backup(state.running->kind)) return Due{state.running->kind, now};
  const bool wanted = schedule.full || schedule.diff || schedule.incr;
  if (wanted && schedule.catch_up && !has_backup(state, INT64_MAX)) return Due{RunKind::full, now};
  for (const RunKind kind : {RunKind::full, RunKind::diff, RunKind::incr, RunKind::verify}) {
    const auto since = last_time(schedule, scope, kind, now);
    if (!since || is_done(state, kind, *since, now)) continue;
    if (kind == RunKind::verify && !has_backup(state, *since)) continue;
    const bool missed = is_missed(*since, now) && !was_tried(state, kind, *since, now);
    if (missed && !schedule.catch_up) continue;
    return Due{kind, *since};
  }
  return std::nullopt;
}

std::optional<std::int64_t> last_time(const model::BackupSchedule& schedule, std::string_view scope,
                                      RunKind kind, std::int64_t now) {
  return time_of(schedule, scope, kind, now, &model::Cron::last);
}

std::optional<std::int64_t> next_time(const model::BackupSchedule& schedule, std::string_view scope,
                                      RunKind kind, std::int64_t now) {
  return time_of(schedule, scope, kind, now, &model::Cron::next);
}

std::vector<std::string> source_order(const model::BackupSchedule& schedule,
                                      std::vector<Source> sources, RunKind kind,
                                      const ClusterBackups& state, std::int64_t waited_s) {
  const bool waits =
      is_backup(kind) && schedule.from == "prefer-standby" && waited_s < kStandbyComes_s &&
      std::ranges::any_of(sources, &Source::comes) &&
      std::ranges::none_of(sources, [](const Source& s) { return s.able && !s.leader; });
  std::erase_if(sources,
                [&](const Source& source) { return !source.able || (waits && source.leader); });
  // Standbys first, the freshest of them first; the leader last.
  std::ranges::sort(sources, [](const Source& a, const Source& b) {
    if (a.leader != b.leader) return b.leader;
    if (a.position != b.position) return a.position > b.position;
    return a.name < b.name;
  });
  const bool named = schedule.from != "prefer-standby" && schedule.from != "primary";
  // The stanza is made by who knows what the cluster is; reading the repository is anybody's.
  if (kind == RunKind::stanza || (is_backup(kind) && schedule.from == "primary"))
    std::erase_if(sources, [](const Source& source) { return !source.leader; });
  else if (is_backup(kind) && named) {
    const auto mine = [&](const Source& source) { return source.name == schedule.from; };
    if (const auto it = std::ranges::find_if(sources, mine); it != sources.end())
      std::rotate(sources.begin(), it, it + 1);
    if (waited_s < kNamedGone_s)
      std::erase_if(sources, [&](const Source& source) { return !mine(source); });
  }
  std::vector<std::string> out;
  for (auto& source : sources) out.push_back(std::move(source.name));
  if (state.failures > 0 && !state.recent.empty())
    if (const auto it = std::ranges::find(out, state.recent.back().node); it != out.end())
      std::rotate(it, it + 1, out.end());
  return out;
}

}  // namespace aurum::backup
