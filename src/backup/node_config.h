#pragma once

#include <string>

#include "model/config.h"
#include "runtime/run_alone.h"

/// What the commands on a database node begin with.
namespace aurum::backup {

/// The patroni.yml at `path` ("" = the environment alone). An error when it has no aurum.backup.
Result<model::LocalConfig> load_node_config(const std::string& path);

/// As root: goes on as the owner of the data directory. What root makes here PostgreSQL's archiver
/// could not read.
Status become_owner(const model::LocalConfig& config);

/// Both, and pgbackrest.conf where there is none yet.
Result<model::LocalConfig> begin_on_node(const std::string& path);

using runtime::run_alone;

}  // namespace aurum::backup
