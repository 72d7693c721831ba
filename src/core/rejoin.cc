#include "core/rejoin.h"

#include <fmt/format.h>

namespace aurum::core {

using model::Lsn;

std::optional<LocalEnd> local_end(const model::PgFacts& facts,
                                  const std::optional<model::Replayed>& own) {
  if (facts.accepting) {
    LocalEnd end;
    end.timeline = facts.timeline;
    // What is received but not replayed yet can still be dropped by recovery; what is replayed can
    // not.
    end.lsn = facts.in_recovery ? facts.replayed_lsn.value_or(facts.position()) : facts.flush_lsn;
    end.was_primary = !facts.in_recovery;
    end.rewindable = true;
    if (facts.in_recovery && own) {
      end.timeline = own->timeline;
      end.lsn = own->lsn;
    }
    return end;
  }
  if (!facts.control) return std::nullopt;
  const model::ControlData& control = *facts.control;
  LocalEnd end;
  const bool shut_down = control.state == "shut down";
  const bool in_recovery =
      control.state == "shut down in recovery" || control.state == "in archive recovery";
  end.was_primary = !in_recovery && !facts.copied;
  end.clean = shut_down || in_recovery || facts.copied;
  end.timeline = control.timeline;
  end.lsn = control.checkpoint;
  if (in_recovery && control.minimum_recovery_end > end.lsn) {
    end.lsn = control.minimum_recovery_end;
    if (control.minimum_recovery_timeline != 0) end.timeline = control.minimum_recovery_timeline;
  }
  end.rewindable = control.data_checksums || control.wal_log_hints;
  return end;
}

Divergence compare_histories(const LocalEnd& local, const model::UpstreamState& upstream) {
  if (local.timeline > upstream.timeline) return Divergence::diverged;
  if (local.timeline == upstream.timeline) {
    // Same timeline, and yet a former primary may have written what nobody got.
    if (local.was_primary && local.clean && local.lsn > upstream.position)
      return Divergence::diverged;
    return local.was_primary && !local.clean ? Divergence::unknown : Divergence::none;
  }
  for (const model::HistoryEntry& entry : upstream.history) {
    if (entry.timeline != local.timeline) continue;
    // A clean end is the *start* of the shutdown checkpoint record: the upstream has it only if its
    // timeline forked behind that record. A standby's replayed position is an end: it may equal the
    // fork.
    const bool contained = local.was_primary ? local.lsn < entry.lsn : local.lsn <= entry.lsn;
    if (!contained) return Divergence::diverged;
    return local.clean ? Divergence::none : Divergence::unknown;
  }
  return Divergence::diverged;  // the upstream never was on our timeline
}

RejoinPlan plan_rejoin(const RejoinFacts& f) {
  if (f.divergence == Divergence::none)
    return {RejoinStep::stream, "my WAL is part of the leader's history"};
  const char* const why =
      f.divergence == Divergence::diverged
          ? "my WAL is not part of the leader's history"
          : "this former primary crashed: its last WAL may not be part of the leader's history";
  // Recovery comes first: it alone tells where the WAL ends, often shows that nothing has diverged,
  // and leaves a directory that pg_rewind accepts.
  const bool exact = f.clean && f.divergence != Divergence::unknown;
  if (!exact && f.recover_failures < kRecoverTries) return {RejoinStep::recover, why};
  const bool can_rewind = exact && f.use_pg_rewind && f.rewindable;
  if (can_rewind && f.rewind_failures < kRewindTries) {
    if (!f.upstream_checkpointed) {
      return {RejoinStep::wait_for_checkpoint,
              "the leader has not finished its checkpoint after promotion"};
    }
    return {RejoinStep::rewind, why};
  }
  const std::string no_rewind =
      !exact             ? fmt::format("crash recovery failed {} times", f.recover_failures)
      : !f.use_pg_rewind ? "use_pg_rewind is off"
      : !f.rewindable    ? "pg_rewind needs data checksums or wal_log_hints"
                         : fmt::format("pg_rewind failed {} times", f.rewind_failures);
  if (f.may_remove_data) return {RejoinStep::clone, fmt::format("{}, and {}", why, no_rewind)};
  return {RejoinStep::park,
          fmt::format("{}, {}, and the data directory may not be removed", why, no_rewind)};
}

}  // namespace aurum::core
