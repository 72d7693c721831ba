#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/value.h"

namespace aurum::sim {

/// What kind of clusters a run simulates. A part that is not named is drawn from the seed.
struct Profile {
  enum class Mode { drawn, async, sync, strict, quorum };  ///< drawn: one of the next three
  enum class Pace { drawn, fast, standard, patroni };
  std::string name = "mixed";
  Mode mode = Mode::drawn;
  Pace pace = Pace::drawn;
  int nodes = 0;           ///< 0: drawn, 1 to 5
  bool archive = false;    ///< primaries archive their WAL, and standbys restore it
  bool fence = false;      ///< servers have the commit fence
  bool failsafe = false;   ///< leaders ask the members when the store is away
  bool heartbeat = false;  ///< leaders beat: fast, or as by default at another pace
  bool standby = false;    ///< one of two clusters, of which the other one is modelled roughly
  bool restore = false;    ///< operators restore the cluster now and then; with `archive`
};

/// "mixed", or parts joined by '-': async | sync | strict | quorum, fast | default | patroni, a
/// number of nodes, archive, fence, failsafe, heartbeat, standby, restore: "sync-fast", "patroni",
/// "async-default-5".
Result<Profile> parse_profile(std::string_view text);

/// One cluster of a profile.
struct Shape {
  Profile::Mode mode = Profile::Mode::async;
  Profile::Pace pace = Profile::Pace::fast;
  int nodes = 3;
  bool use_pg_rewind = true;
  bool last_may_not_lead = false;  ///< the last node is tagged nofailover
  bool archive = false;
  bool fence = false;
  bool failsafe = false;
  std::string heartbeat;  ///< aurum.profile
  bool standby = false;
  bool founded_as_standby = false;
  bool restore = false;

  std::string text() const;  ///< "3 nodes, sync, fast, pg_rewind"
  model::Value dcs() const;  ///< the dynamic configuration it is founded with
};
/// The `standby_cluster` of a configuration that names it.
model::Value where_the_remote_is();
Shape shape_of(const Profile& profile, std::uint64_t seed);

}  // namespace aurum::sim
