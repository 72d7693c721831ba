#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/time.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/postgres.h"

/// The leader race (PATRONI_COMPAT §8.1): who may stand, and whether the peers' answers allow it.
namespace aurum::core {

/// What one node knows when the `leader` key is absent.
struct RaceView {
  const model::ClusterView* cluster = nullptr;
  const model::DynamicConfig* config = nullptr;
  std::string self;
  model::Value tags;       ///< own effective tags
  bool accepting = false;  ///< PostgreSQL answers
  bool in_recovery = true;
  model::Lsn position;  ///< own WAL position
  model::Timeline timeline = 0;
  bool paused = false;
  std::string watchdog_trouble = {};  ///< it is required, and can not be used
  Duration leaderless{};              ///< how long nobody has held the lock
  model::DiskLevel disk = model::DiskLevel::ok;
};

/// A reachable candidate of a manual request is waited for no longer than this.
inline constexpr Duration kCandidatePatience = seconds(5);

/// Who is short of room waits no longer than this for a member that is not, and has as much WAL.
inline constexpr Duration kRoomPatience = seconds(5);

/// Why a node does or does not stand. `text` is the log's sentence.
struct RaceVerdict {
  bool stand = false;
  std::string text;
};

/// What can be said without asking anybody.
RaceVerdict may_stand(const RaceView& view);

/// Answers of the peers by name; an empty optional = asked, no answer.
using PeerAnswers = std::map<std::string, std::optional<model::PeerStatus>>;

/// The rest, with the peers' answers. Only called when may_stand() said yes.
RaceVerdict judge_race(const RaceView& view, const PeerAnswers& answers);

/// Whether its agent tells that its disk is not about to be full. A Patroni tells nothing.
bool has_room(const model::Member& member);

/// Whether a manual request names somebody else who should win while he can (§8.1, §2.6.2).
bool waits_for_candidate(const RaceView& view, const PeerAnswers& answers);

}  // namespace aurum::core
