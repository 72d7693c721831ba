#pragma once

#include <ostream>
#include <string>

#include "base/time.h"

namespace aurum::sim {

/// The rules that hold after every event of a simulated world (docs/SIMULATION.md).
enum class Rule {
  one_writer,       ///< (a) at no instant can two nodes acknowledge a write
  lease_page,       ///< a server is writable only as its lease page allows
  no_lost_write,    ///< (b) no acknowledged write is lost under the mode's promise
  recovery,         ///< (c) once faults stop, a writer is back within the bound
  end_state,        ///< (d) every node ends as primary, streaming, or parked with a reason
  sync_key,         ///< (e) `sync` is as strict as what PostgreSQL waits for
  initdb,           ///< (f) no initdb while `initialize` or data exists, none left half done
  timeline,         ///< (g) acknowledged timelines never go back
  data_care,        ///< jobs meet the data they may be run on
  lock,             ///< who is writable holds the lock, in the store and not only by its own clock
  fit_to_lead,      ///< no nofailover member leads, nor one that lags more than allowed
  calm,             ///< no core spins
  standby_cluster,  ///< nobody is promoted while the cluster follows another one
  restore,          ///< it opens at its target, and nothing from before it leads any more
};
const char* name_of(Rule rule);

struct Violation {
  Rule rule{};
  Duration at{};
  std::string text;
};
/// "one_writer at 12.345 s: two servers are writable at once: n1 n2"
std::string to_string(const Violation& violation);
inline std::ostream& operator<<(std::ostream& out, const Violation& v) {
  return out << to_string(v);
}

}  // namespace aurum::sim
