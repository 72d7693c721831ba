#include "cli/restore_planning.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "backup/node_config.h"
#include "backup/pgbackrest.h"

namespace aurum::cli {

namespace {

/// The newest that a backup was taken on.
model::Timeline newest_backed_up(const backup::Catalogue& catalogue) {
  model::Timeline newest = 1;
  for (const auto& backup : catalogue.backups) {
    model::Timeline timeline = 0;
    if (backup.wal_stop.size() < 8) continue;
    std::from_chars(backup.wal_stop.data(), backup.wal_stop.data() + 8, timeline, 16);
    newest = std::max(newest, timeline);
  }
  return newest;
}

/// The timelines that led here: from the store, else from the archive.
Result<backup::Line> find_line(const model::ClusterView& view, model::Timeline wanted,
                               const backup::Catalogue& catalogue, backup::Pgbackrest& pgbackrest) {
  backup::Line line{0, view.history};
  const model::Member* leader = view.leader_member();
  if (leader != nullptr) line.timeline = leader->timeline.value_or(0);
  if (line.timeline == 0)
    line.timeline =
        view.history.empty() ? newest_backed_up(catalogue) : view.history.back().timeline + 1;
  if (wanted != 0) {
    if (auto part = backup::line_of(line, wanted)) return *part;
    line = {wanted, {}};
  }
  // Not told whole: shortened by max_timelines_history, not written yet, unknown, or another line.
  const bool whole =
      line.timeline == 1 || (!line.history.empty() && line.history.front().timeline == 1 &&
                             line.history.back().timeline + 1 == line.timeline);
  if (whole) return line;
  auto file = backup::run_alone(pgbackrest.history(line.timeline));
  if (!file) return fail(file.error().within(fmt::format("history of timeline {}", line.timeline)));
  for (auto& entry : *file)
    for (const auto& known : view.history)
      if (known.timeline == entry.timeline && known.lsn == entry.lsn) entry.time = known.time;
  line.history = std::move(*file);
  return line;
}

}  // namespace

std::optional<model::Lsn> written_up_to(const model::ClusterView& view) {
  const model::Member* leader = view.leader_member();
  if (leader == nullptr) return std::nullopt;
  auto at = leader->xlog_location;
  if (view.status.optime && (!at || *at < *view.status.optime)) at = view.status.optime;
  return at;
}

Result<backup::RestorePlan> plan_from_repository(const model::LocalConfig& config,
                                                 const model::ClusterView& view,
                                                 const RestoreOptions& options, WallTime now) {
  backup::Pgbackrest pgbackrest(config);
  const auto catalogue = backup::run_alone(pgbackrest.catalogue());
  if (!catalogue) return fail(catalogue.error());
  const auto line = find_line(view, options.timeline, *catalogue, pgbackrest);
  if (!line) return fail(line.error());
  backup::PlanRequest request{.target = *options.target,
                              .backup = options.backup,
                              .line = *line,
                              .system_identifier = view.initialize.value_or(""),
                              .now = now};
  if (request.system_identifier.empty() && !catalogue->databases.empty())
    request.system_identifier = catalogue->databases.back().system_identifier;
  if (options.timeline == 0) request.current = written_up_to(view);
  return backup::plan_restore(*catalogue, request);
}

}  // namespace aurum::cli
