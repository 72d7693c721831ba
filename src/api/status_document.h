#pragma once

#include <string>

#include "api/node.h"
#include "core/core.h"
#include "model/value.h"

namespace aurum::api {

/// What REST says of the state: `unknown` when PostgreSQL should run but did not answer (§1.3).
model::PgState shown_state(const NodeView& view);
/// The role in the document: of the running server, in a standby cluster the node's own.
std::string shown_role(const NodeView& view);
bool is_standby_cluster(const NodeView& view);

/// Whether this node is a replica listed in `sync`, and how.
enum class SyncStanding { none, sync, quorum };
SyncStanding sync_standing(const NodeView& view);

/// The node status document of PATRONI_COMPAT §2.2, in its key order.
model::Value status_document(const NodeView& view, const core::Identity& identity);

}  // namespace aurum::api
