#include "dcs/etcd/freshness.h"

#include <algorithm>

namespace aurum::dcs::etcd {

namespace {
/// Longer than a resumed or partitioned member needs to notice that it is behind.
constexpr Duration kBelieveAfter = seconds(10);
}  // namespace

bool Freshness::accept(const AnswerStamp& answer, const AnswerStamp& known_at_start, Check check,
                       const std::string& endpoint, std::size_t endpoints, Instant now) {
  const bool first = known_at_start.cluster_id == 0;
  const bool foreign = !first && answer.cluster_id != known_at_start.cluster_id;
  const bool old = !first && (answer.raft_term < known_at_start.raft_term ||
                              (check.revision && answer.revision < known_at_start.revision));
  if (foreign || old) {
    if (!rebuilt(endpoint, endpoints, now)) return false;
    known_ = answer;
  }
  dissenters_.clear();
  if (answer.cluster_id != known_.cluster_id) {
    known_ = answer;
    return true;
  }
  known_.raft_term = std::max(known_.raft_term, answer.raft_term);
  known_.revision = std::max(known_.revision, answer.revision);
  return true;
}

bool Freshness::rebuilt(const std::string& endpoint, std::size_t endpoints, Instant now) {
  if (dissenters_.empty()) dissent_since_ = now;
  dissenters_.insert(endpoint);
  return dissenters_.size() >= endpoints && now - dissent_since_ >= kBelieveAfter;
}

}  // namespace aurum::dcs::etcd
