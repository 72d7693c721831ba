#pragma once

#include <string_view>

namespace aurum::model {

/// PostgreSQL as the agent sees it. Text and number: PATRONI_COMPAT §1.3
/// (`patroni_postgres_state`).
enum class PgState {
  initdb = 0,
  initdb_failed,
  custom_bootstrap,
  custom_bootstrap_failed,
  creating_replica,
  running,
  starting,
  bootstrap_starting,
  start_failed,
  restarting,
  restart_failed,
  stopping,
  stopped,
  stop_failed,
  crashed,
  unknown = -1,
};

std::string_view to_string(PgState state);  ///< the text of DCS and REST: "creating replica"
std::string_view identifier(
    PgState state);  ///< the word in the metric's comment: "creating_replica"
PgState parse_pg_state(std::string_view text);

/// The role in member keys and REST. `master` is read as primary.
enum class Role { primary, standby_leader, replica, demoted, uninitialized, promoted };

std::string_view to_string(Role role);
Role parse_role(std::string_view text);

/// `synchronous_mode` of the dynamic configuration.
enum class SyncMode { off, on, quorum };
std::string_view to_string(SyncMode mode);

}  // namespace aurum::model
