#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "model/restore.h"

namespace aurum::cli {

/// The command line of `aurum restore`.
struct RestoreOptions {
  enum class Action { request, copy, resume, undo, confirm, status };
  Action action = Action::status;
  std::string config;
  std::optional<model::RecoveryTarget> target;  ///< a time in ISO 8601 with its offset
  model::Timeline timeline = 0;                 ///< 0 = the cluster's present one
  std::string backup, node;
  std::string new_cluster;         ///< its name: what is restored is a cluster of its own
  bool bring_back = false;         ///< or this one again, which is lost
  bool as_replica = false;         ///< or a replica of this one
  bool unless_slower = false;      ///< than a base backup
  std::filesystem::path data_dir;  ///< where
  bool discard_old_data = false;
  bool plan_only = false;
  bool yes = false;
  bool json = false;
  bool help = false;
};
Result<RestoreOptions> parse_restore_options(std::span<char* const> arguments);

extern const char* const kRestoreHelp;

}  // namespace aurum::cli
