#include "model/roles.h"

#include <array>

#include "base/ensure.h"
#include "model/postgres.h"

namespace aurum::model {
namespace {

struct StateText {
  PgState state;
  std::string_view text, identifier;
};

constexpr std::array kStates = {
    StateText{PgState::initdb, "initializing new cluster", "initdb"},
    StateText{PgState::initdb_failed, "initdb failed", "initdb_failed"},
    StateText{PgState::custom_bootstrap, "running custom bootstrap script", "custom_bootstrap"},
    StateText{PgState::custom_bootstrap_failed, "custom bootstrap failed",
              "custom_bootstrap_failed"},
    StateText{PgState::creating_replica, "creating replica", "creating_replica"},
    StateText{PgState::running, "running", "running"},
    StateText{PgState::starting, "starting", "starting"},
    StateText{PgState::bootstrap_starting, "starting after custom bootstrap", "bootstrap_starting"},
    StateText{PgState::start_failed, "start failed", "start_failed"},
    StateText{PgState::restarting, "restarting", "restarting"},
    StateText{PgState::restart_failed, "restart failed", "restart_failed"},
    StateText{PgState::stopping, "stopping", "stopping"},
    StateText{PgState::stopped, "stopped", "stopped"},
    StateText{PgState::stop_failed, "stop failed", "stop_failed"},
    StateText{PgState::crashed, "crashed", "crashed"},
    StateText{PgState::unknown, "unknown", "unknown"},
};

const StateText& row(PgState state) {
  for (const auto& entry : kStates)
    if (entry.state == state) return entry;
  ensure(false, "a PgState outside its enumeration");
  return kStates.back();
}

struct RoleText {
  Role role;
  std::string_view text;
};

constexpr std::array kRoles = {
    RoleText{Role::primary, "primary"},
    RoleText{Role::standby_leader, "standby_leader"},
    RoleText{Role::replica, "replica"},
    RoleText{Role::demoted, "demoted"},
    RoleText{Role::uninitialized, "uninitialized"},
    RoleText{Role::promoted, "promoted"},
};

}  // namespace

std::string_view to_string(PgState state) { return row(state).text; }
std::string_view identifier(PgState state) { return row(state).identifier; }

PgState parse_pg_state(std::string_view text) {
  for (const auto& entry : kStates)
    if (entry.text == text) return entry.state;
  return PgState::unknown;
}

std::string_view to_string(Role role) {
  for (const auto& entry : kRoles)
    if (entry.role == role) return entry.text;
  ensure(false, "a Role outside its enumeration");
  return {};
}

Role parse_role(std::string_view text) {
  if (text == "master") return Role::primary;
  for (const auto& entry : kRoles)
    if (entry.text == text) return entry.role;
  return Role::uninitialized;
}

std::string_view to_string(SyncMode mode) {
  switch (mode) {
    case SyncMode::off:
      return "off";
    case SyncMode::on:
      return "on";
    case SyncMode::quorum:
      return "quorum";
  }
  ensure(false, "a SyncMode outside its enumeration");
  return {};
}

std::string_view to_string(StopMode mode) {
  switch (mode) {
    case StopMode::smart:
      return "smart";
    case StopMode::fast:
      return "fast";
    case StopMode::immediate:
      return "immediate";
  }
  ensure(false, "a StopMode outside its enumeration");
  return {};
}

}  // namespace aurum::model
