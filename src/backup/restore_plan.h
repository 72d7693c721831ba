#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backup/catalogue.h"
#include "base/result.h"
#include "base/time.h"
#include "model/cluster.h"
#include "model/restore.h"

/// Which backup and which WAL lead to a target, and what is lost by going there. Pure.
namespace aurum::backup {

/// The way that WAL went: a timeline and the ends of those it came from.
struct Line {
  model::Timeline timeline = 1;
  model::History history;  ///< oldest first; `lsn` is where the timeline of an entry ended
};
/// The same up to one of its timelines, which then goes on after its fork; unset when it is none of
/// them.
std::optional<Line> line_of(const Line& line, model::Timeline timeline);
/// Whether what a backup holds is part of this line's WAL.
bool is_on_line(const Backup& backup, const Line& line);

struct PlanRequest {
  model::RecoveryTarget target;  ///< the value of a time is ISO 8601 with its offset
  std::string backup;            ///< label; "" = the newest that leads there
  Line line;
  std::string system_identifier;      ///< of the cluster
  std::optional<model::Lsn> current;  ///< where it writes now; unset when nobody leads
  WallTime now;
};

struct RestorePlan {
  Backup backup;
  model::RecoveryTarget target;  ///< as PostgreSQL takes it: a time in UTC
  model::Timeline timeline = 0;
  WallTime from;                      ///< the earliest moment that can be reached
  std::string to;                     ///< and the latest, for people
  std::optional<Duration> lost_span;  ///< what was written in it is lost
  std::optional<std::uint64_t> lost_bytes;
  std::vector<std::string> warnings;
};

/// Code::not_found when the target can not be reached: the message names the window that can be;
/// Code::invalid for a target that is none.
Result<RestorePlan> plan_restore(const Catalogue& catalogue, const PlanRequest& request);

/// For people, 80 columns wide.
std::string render_plan(const RestorePlan& plan);
model::Value plan_value(const RestorePlan& plan);
/// "1 h 12 min", "45 s".
std::string span_text(Duration span);

}  // namespace aurum::backup
