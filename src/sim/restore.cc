// The restore of the cluster: the work of a node, with durations and faults.

#include <algorithm>

#include "sim/world.h"

namespace aurum::sim {

using model::DataDir;
using What = RestoreWork::What;

void World::job(Node& n, JobId id, const RestoreWork& work) {
  if (n.pg.alive && work.what != What::check && work.what != What::forget &&
      work.what != What::backup)
    violation(Rule::data_care, n.name + " restores under a running server");
  if (work.what == What::fetch) n.pg.data = DataDir::incomplete;
  const Duration time = work.what == What::fetch ? milliseconds(1500) : milliseconds(100);
  at_agent(n, time, [this, &n, id, what = work.what] {
    if (!n.jobs.contains(id)) return;
    std::string text;
    switch (what) {
      case What::check:
        break;
      case What::fetch:
        n.pg.data = DataDir::ready;
        n.pg.wal = backup;
        n.pg.flushed = backup.end;
        n.pg.control_state = "in production";
        n.pg.checkpoint = backup.end;
        n.pg.checkpoint_timeline = backup.timeline();
        n.pg.backup_label = n.pg.roles = true;
        n.pg.founding = false;
        n.pg.slots.clear();
        break;
      case What::keep:
        if (!n.kept) n.kept = std::exchange(n.pg, Postgres{.pid = n.pg.pid});
        text = "/kept";
        break;
      case What::take_back:
        if (n.kept) n.pg = *std::exchange(n.kept, std::nullopt);
        break;
      case What::forget:
        n.kept.reset();
        break;
      case What::backup:
        text = "20261123-000000F";
        break;
    }
    end_job(n, n.life, id, JobResult{RestoreDone{text}});
  });
}

/// Replays what was archived; at the target the server opens a timeline by itself.
void World::replay(Node& n, int pid, const model::PgRecovery& recovery) {
  at_server(n, jitter(milliseconds(200), seconds(2)) + n.pg.slow_replay, [this, &n, pid, recovery] {
    if (!n.up || !n.pg.alive || n.pg.pid != pid || !n.pg.in_recovery) return;
    const auto to = model::parse_lsn(recovery.target.value);
    if (n.pg.failing_recoveries > 0 || (to && archived.end < *to)) {
      n.pg.failing_recoveries = std::max(0, n.pg.failing_recoveries - 1);
      n.pg.crash();
      return server_ended(n, "recovery ended before the target was reached");
    }
    n.pg.wal = archived;
    if (to) n.pg.wal.cut(*to);
    n.pg.flushed = n.pg.wal.end;
    const auto timeline = std::max({n.pg.wal.timeline(), recovery.timeline, recovery.above});
    n.pg.promote(next_branch_++, timeline + 1);
  });
}

}  // namespace aurum::sim
