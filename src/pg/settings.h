#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/postgres.h"

/// Which value every PostgreSQL setting gets (PATRONI_COMPAT §7.1). Pure.
namespace aurum::pg {

/// Setting name → value in PostgreSQL's text form. Sorted: postgresql.conf lists them so.
using Settings = std::map<std::string, std::string>;

/// What the server shall run with, from the local and the dynamic configuration.
struct WantedSettings {
  Settings
      command_line;  ///< the owned ones: on the postmaster's command line and in postgresql.conf
  Settings file;     ///< only in postgresql.conf
  std::vector<model::Finding>
      findings;  ///< invalid values that fell back to the default, ignored keys
};
/// `major` is PG_VERSION of the data directory.
WantedSettings wanted_settings(const model::LocalConfig& config,
                               const model::DynamicConfig& dynamic, const model::PgTarget& target,
                               int major);

/// A standby refuses to start with less than its primary had: raises the owned limits to what
/// pg_controldata shows. Gives the names it raised (then pending_restart).
std::vector<std::string> raise_to_control_data(WantedSettings& wanted,
                                               const model::ControlData& control);

/// One value of a postgresql.parameters map in PostgreSQL's text form: on/off for booleans; null is
/// unset.
std::optional<std::string> setting_text(const model::Value& value);

/// How pg_settings describes a running setting.
struct RunningSetting {
  std::string name, setting, unit, type;  ///< type: bool, integer, real, string, enum
  std::string shown;                      ///< current_setting(): with unit, "128MB"
  std::string later = {};  ///< what the files say now, where that waits for a restart; else ""
};
/// Whether a wanted text means the same as what runs: "1024MB" and "1GB", "yes" and "on".
bool same_setting(const RunningSetting& running, std::string_view wanted);

/// {guc: {old_value, new_value}} of those whose wanted value differs; null when none (§1.2).
model::Value pending_restart_reason(const std::vector<RunningSetting>& running,
                                    const WantedSettings& wanted);

}  // namespace aurum::pg
