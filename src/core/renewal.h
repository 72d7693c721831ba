#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "core/timing.h"
#include "model/cluster.h"
#include "model/txn.h"

/// The renewal of the lock: what is asked of the store, and how long its answer allows writing
/// (DESIGN §4 "Lease", "Heartbeat"). Pure, so that the lease thread and the simulated one are
/// alike.
namespace aurum::core {

/// A leadership, and how it is kept: see StartRenewing.
struct LockHeld {
  std::string member;
  std::uint64_t epoch = 0;
  model::LeaseId lease = 0;
  Duration valid_for{};
  std::optional<BeatRate> beat;
};

struct RenewalCheck {
  model::Txn txn;  ///< succeeds only while the lock is this member's, by this lease
  Instant until;   ///< of the page's deadline, once it has
};

/// `lease_kept`: when the last answered keepalive of its lease was sent. `sent`: when this check
/// is.
RenewalCheck renewal_check(const LockHeld& lock, Instant lease_kept, Instant sent);

}  // namespace aurum::core
