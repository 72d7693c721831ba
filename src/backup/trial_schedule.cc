#include "backup/trial_schedule.h"

#include <algorithm>
#include <array>

namespace aurum::backup {

namespace {

constexpr std::array<std::int64_t, 2> kTrialPauses{600, 3600};

/// The time that a test is to be made for; nothing without a schedule, or a backup by then.
std::optional<std::int64_t> wanted_since(const model::BackupSchedule& schedule,
                                         std::string_view scope, const ClusterBackups& backups,
                                         const TrialState& trials, std::int64_t now) {
  const auto since = last_time(schedule, scope, RunKind::restore_test, now);
  // The state knows the newest backups only: a test that was made tells of older ones.
  const bool tested = trials.last || trials.running || !trials.failed.empty();
  if (!since || !has_backup(backups, tested ? INT64_MAX : *since)) return std::nullopt;
  return since;
}

bool is_tested(const TrialState& trials, std::int64_t since, std::int64_t now) {
  return trials.good_at >= since && is_past(trials.good_at, now);
}

/// Those that belong to the present time of the schedule, one that was lost among them.
std::vector<TrialTry> tries_since(const TrialState& trials, std::int64_t since, std::int64_t now) {
  auto tries = trials.failed;
  if (trials.running) tries.push_back(*trials.running);
  std::erase_if(tries, [&](const TrialTry& one) {
    return one.started < since || !is_past(one.started, now);
  });
  return tries;
}

}  // namespace

std::optional<std::int64_t> trial_due(const model::BackupSchedule& schedule, std::string_view scope,
                                      const ClusterBackups& backups, const TrialState& trials,
                                      std::int64_t now) {
  const auto since = wanted_since(schedule, scope, backups, trials, now);
  if (!since || is_tested(trials, *since, now)) return std::nullopt;
  const auto tries = tries_since(trials, *since, now);
  if (tries.empty()) {
    const bool missed = is_missed(*since, now);
    if (missed && !schedule.catch_up) return std::nullopt;
    return since;
  }
  if (tries.size() > kTrialPauses.size()) return std::nullopt;
  const auto& last = tries.back();
  const auto ended = std::max(last.started, is_past(last.ended, now) ? last.ended : 0);
  if (now < ended + kTrialPauses[tries.size() - 1]) return std::nullopt;
  return since;
}

std::int64_t trial_late_s(const model::BackupSchedule& schedule, std::string_view scope,
                          const ClusterBackups& backups, const TrialState& trials,
                          std::int64_t now) {
  const auto since = wanted_since(schedule, scope, backups, trials, now);
  return !since || is_tested(trials, *since, now) ? 0 : now - *since;
}

std::vector<std::string> trial_order(std::string_view wanted, std::vector<Source> sources,
                                     const TrialState& trials, bool others_known,
                                     std::int64_t waited_s) {
  const bool alone =
      sources.size() == 1 && (!others_known || waited_s >= kAlone_s) && !sources.empty();
  std::erase_if(sources, [&](const Source& s) { return !s.able || (s.leader && !alone); });
  std::ranges::sort(sources, [](const Source& a, const Source& b) {
    if (a.synchronous != b.synchronous) return b.synchronous;
    if (a.position != b.position) return a.position < b.position;
    return a.name < b.name;
  });
  std::vector<std::string> out;
  for (auto& source : sources) out.push_back(std::move(source.name));
  if (!wanted.empty() && waited_s < kNamedGone_s && !alone) {
    std::erase_if(out, [&](const std::string& name) { return name != wanted; });
  } else if (const auto it = std::ranges::find(out, wanted); it != out.end()) {
    std::rotate(out.begin(), it, it + 1);
  }
  const auto* last = trials.running          ? &*trials.running
                     : trials.failed.empty() ? nullptr
                                             : &trials.failed.back();
  if (last != nullptr)
    if (const auto it = std::ranges::find(out, last->node); it != out.end())
      std::rotate(it, it + 1, out.end());
  return out;
}

}  // namespace aurum::backup
