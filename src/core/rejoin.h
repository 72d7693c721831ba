#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "model/config.h"
#include "model/postgres.h"

/// How a node that is not the leader gets back to streaming (DESIGN §3): a total order with bounded
/// tries, stream → rewind → clone → park, each step with its reason.
namespace aurum::core {

/// Where the local WAL ends.
struct LocalEnd {
  model::Timeline timeline = 0;
  model::Lsn lsn;
  bool was_primary = false;  ///< its last run was as a primary (pg_control, or it runs as one)
  bool clean = true;  ///< shut down cleanly, or running: `lsn` is exact. False: crashed, the end is
                      ///< not known
  bool rewindable = false;  ///< data checksums or wal_log_hints
};
/// From what is observed: a running server's position, or pg_control of a stopped one. `own`: what
/// a running standby itself says that it replayed.
std::optional<LocalEnd> local_end(const model::PgFacts& facts,
                                  const std::optional<model::Replayed>& own = {});

enum class Divergence {
  none,      ///< the upstream's history contains all of our WAL
  diverged,  ///< we have WAL that the upstream's timeline does not contain
  unknown,   ///< crashed as a primary: only recovery or pg_rewind can tell
};
Divergence compare_histories(const LocalEnd& local, const model::UpstreamState& upstream);

struct RejoinFacts {
  Divergence divergence = Divergence::none;
  bool use_pg_rewind = false;
  bool rewindable = false;
  bool upstream_checkpointed = true;  ///< the leader has checkpointed since its promotion (§8.4)
  int rewind_failures = 0;
  bool may_remove_data = false;  ///< by configuration, or the data directory can be moved aside
  /// The end of the local WAL is exact. After a crash as a primary it is not, and pg_rewind refuses
  /// the directory.
  bool clean = true;
  int recover_failures = 0;  ///< starts that failed in a row
};

enum class RejoinStep {
  stream,
  recover,  ///< crash recovery as a standby without upstream: then the end of the WAL is known
  wait_for_checkpoint,
  rewind,
  clone,
  park,
};
struct RejoinPlan {
  RejoinStep step = RejoinStep::park;
  std::string reason;
};
RejoinPlan plan_rejoin(const RejoinFacts& facts);

inline constexpr int kRewindTries = 2;
inline constexpr int kRecoverTries = 3;

}  // namespace aurum::core
