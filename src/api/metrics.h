#pragma once

#include <string>

#include "api/node.h"
#include "core/core.h"

namespace aurum::api {

/// GET /metrics: Prometheus text format 0.0.4. First the series of PATRONI_COMPAT §2.5 in its
/// order, then `patroni_master` (dashboards of Patroni 3 and older), then ours.
std::string render_metrics(const NodeView& view, const core::Identity& identity);

}  // namespace aurum::api
