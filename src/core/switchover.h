#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "core/race.h"
#include "model/cluster.h"

/// Manual switchover and failover (PATRONI_COMPAT §2.6.2): what the leader does about the
/// `failover` key.
namespace aurum::core {

struct RequestVerdict {
  enum class What {
    wait,  ///< scheduled for later
    due,   ///< its time has come: write it again without the time
    go,    ///< look for a successor and demote
    drop,  ///< it can not be done: clear the key
  };
  What what = What::drop;
  std::string reason;
  Duration wait{};
};
/// A scheduled request that is later than this was missed (nobody led at its time) and is dropped.
inline constexpr Duration kScheduleGrace = seconds(60);

RequestVerdict check_request(const model::FailoverRequest& request, const std::string& leader,
                             WallTime wall, bool paused);

/// Members among the answers that may take over now; only the candidate when one is named.
/// `failover`: the operator accepts a candidate that is not synchronous.
std::vector<std::string> possible_successors(const RaceView& leader, const PeerAnswers& answers,
                                             bool failover);

}  // namespace aurum::core
