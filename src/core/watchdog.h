#pragma once

#include "base/time.h"
#include "model/config.h"

/// The machine's watchdog (PATRONI_COMPAT §8.8).
namespace aurum::core {

/// Its time, in whole seconds: over before the lease is, by the margin. With a ttl shorter than
/// Patroni's least a margin of half of it is enough.
Duration watchdog_timeout(const model::WatchdogConfig& config, Duration ttl);

/// How long before the page's deadline it is fed no more: a machine that stands still from then on
/// is reset before its lease ends, and one whose guard works has been cleaned up before.
Duration watchdog_tail(Duration timeout, Duration ttl);

}  // namespace aurum::core
