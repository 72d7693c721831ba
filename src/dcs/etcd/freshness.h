#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/time.h"

namespace aurum::dcs::etcd {

/// Who answered and how far it was: the header of every etcd response.
struct AnswerStamp {
  std::uint64_t cluster_id = 0;
  std::uint64_t raft_term = 0;
  std::int64_t revision = 0;
};

/// Refuses answers from the past (FAILURES F3): a member that lags behind what this client has
/// already seen, or one that belongs to another cluster. An answer is compared with what was known
/// when its call *started*, since answers of calls that overlap may overtake each other.
///
/// A store that was rebuilt or restored really goes back. That is believed once every endpoint has
/// said so for a while and none said otherwise.
class Freshness {
 public:
  /// What is known now; taken when a call starts.
  AnswerStamp known() const { return known_; }

  struct Check {
    bool revision = true;  ///< false where a member may lag lawfully (keep-alive headers)
  };
  /// Whether an answer may be used. Usable answers raise what is known.
  bool accept(const AnswerStamp& answer, const AnswerStamp& known_at_start, Check check,
              const std::string& endpoint, std::size_t endpoints, Instant now);

 private:
  bool rebuilt(const std::string& endpoint, std::size_t endpoints, Instant now);

  AnswerStamp known_;
  std::set<std::string>
      dissenters_;  ///< endpoints that answered from the past since the last good answer
  Instant dissent_since_{};
};

}  // namespace aurum::dcs::etcd
