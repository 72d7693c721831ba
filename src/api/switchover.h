#pragma once

#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "api/node.h"
#include "api/reply.h"

/// POST /switchover and POST /failover (PATRONI_COMPAT §2.6.2): the checks as pure functions, the
/// watching of the outcome as another.
namespace aurum::api {

enum class Handover { switchover, failover };

struct HandoverPlan {
  Handover kind = Handover::switchover;
  model::FailoverRequest request;
};

/// The checks that need no cluster.
tl::expected<HandoverPlan, Refusal> read_handover(Handover kind, const model::Value& body,
                                                  WallTime now, bool paused);

/// The checks against the cluster: who may take over, to be asked over REST in this order; empty
/// never.
tl::expected<std::vector<model::Member>, Refusal> handover_candidates(
    const HandoverPlan& plan, const model::ClusterView& cluster, model::SyncMode mode);
/// Whether the cluster is synchronous and has no synchronous standby, but a replica runs that is
/// about to become one, as in the second after a restart of all replicas: worth a short wait.
bool awaits_sync_standby(const model::ClusterView& cluster, model::SyncMode mode);
/// Whether the answer of a candidate makes it a good one.
bool is_good_candidate(const std::optional<model::PeerStatus>& answer);
Refusal no_good_candidates(Handover kind);

/// What a look at the cluster says of a request under way; nothing = go on waiting.
std::optional<Refusal> handover_outcome(const HandoverPlan& plan, const std::string& leader_before,
                                        const model::ClusterView& cluster);
Refusal handover_unknown(Handover kind);

}  // namespace aurum::api
