// The WAL archive: what primaries leave in it, and how far a standby that does not stream comes by
// it. The core knows nothing of it; what it sees is a standby that goes on by itself.

#include <algorithm>

#include <fmt/format.h>

#include "sim/world.h"

namespace aurum::sim {

using model::Lsn;

namespace {

/// WAL is archived when a segment is full: after a second of writes, as these servers write.
constexpr std::uint64_t kSegment = 0x1400;

Lsn begin_of_segment(Lsn lsn) { return {lsn.value / kSegment * kSegment}; }

}  // namespace

/// Full segments up to there; all of it after a clean stop, which switches to the next one.
void World::archive(const Node& n, Lsn until) {
  if (!archiving_ || !n.up || !n.reaches_peers) return;
  if (store.view().initialize != n.pg.system_identifier) return;  // a founding that may be lost
  const Stretch& last = n.pg.wal.path.back();
  const auto [kept, first] = archive_.try_emplace(last.branch, n.pg.wal);
  if (first) {
    kept->second.end = last.begin;  // its history file comes before its WAL
    for (const auto& [branch, other] : archive_) {
      if (branch != last.branch && other.timeline() == last.timeline)
        violation(Rule::timeline,
                  fmt::format("{} archives another timeline {}", n.name, last.timeline));
    }
  }
  if (n.pg.writable()) until = begin_of_segment(until);
  kept->second.end = std::max(kept->second.end, until);
}

/// Along the newest timeline that its own WAL is part of, as far as there is no gap.
void World::restore_wal(Node& n) {
  Postgres& pg = n.pg;
  if (!archiving_ || !n.up || !n.reaches_peers) return;
  if (!pg.alive || !pg.accepting || pg.hung || pg.frozen || !pg.in_recovery) return;
  if (pg.target.own_timeline) return;
  if (random(4) != 0) return;  // it asks now and then
  const Wal* line = nullptr;
  for (const auto& [branch, wal] : archive_) {
    const bool newer = line == nullptr || wal.timeline() > line->timeline();
    if (newer && pg.wal.is_prefix_of(wal)) line = &wal;
  }
  if (line == nullptr) return;
  replay_archive(pg.wal, *line);
  pg.flush();
}

/// As far along that line as there is no gap.
void World::replay_archive(Wal& wal, const Wal& line) const {
  for (std::size_t i = wal.path.size() - 1; i < line.path.size(); ++i) {
    if (i >= wal.path.size()) wal.path.push_back(line.path[i]);
    const auto kept = archive_.find(line.path[i].branch);
    const Lsn there = kept != archive_.end() ? kept->second.end : Lsn{};
    const bool is_last = i + 1 == line.path.size();
    const Lsn end = is_last ? line.end : line.path[i + 1].begin;
    // The first segment of a timeline has what was before the fork in it.
    const bool whole = is_last || begin_of_segment(end) <= there;
    wal.end = std::max(wal.end, whole ? end : std::min(there, end));
    if (!whole) break;
  }
}

}  // namespace aurum::sim
