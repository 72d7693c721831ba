#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "backup/cluster_backups.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/postgres.h"

namespace aurum::backup {

/// What the agent knows at this moment. Pointers hold until the next await.
struct AgentView {
  const model::LocalConfig* config = nullptr;
  const model::ClusterView* cluster = nullptr;  ///< nullptr: the store has not been read yet
  bool fresh = false;                           ///< it is not older than the ttl
  const model::PgFacts* facts = nullptr;
  bool leads = false;
  Duration ttl = seconds(30);
  BackupKeys keys;
};

/// What the agent gives to those who see to its backups.
struct KeeperSetting {
  boost::asio::any_io_executor executor;
  std::string program;                ///< ourselves
  std::filesystem::path config_file;  ///< patroni.yml; "" = the environment alone
  std::filesystem::path run_dir;      ///< on a tmpfs
  std::function<AgentView()> look;
};

}  // namespace aurum::backup
