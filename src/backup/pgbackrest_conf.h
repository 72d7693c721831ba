#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"

/// pgbackrest.conf of this node, made from patroni.yml, the live topology and the user's part.
/// Pure.
namespace aurum::backup {

/// section → option → values, in the order of the file.
using ConfSections = std::map<std::string, std::map<std::string, std::vector<std::string>>>;

/// The user's part (config/pgbackrest.conf). Options that are ours to set (pgN-…, where locks are)
/// are refused: two answers to one question would stop pgBackRest.
Result<ConfSections> parse_user_part(std::string_view text);

/// The PostgreSQL of this node.
struct ConfNode {
  std::string data_dir, socket_dir, user;
  int port = 5432;
};
ConfNode conf_node(const model::LocalConfig& config);

/// Another member, which may ask the pgBackRest server of this node.
struct ConfPeer {
  std::string host, data_dir;
  int port = 5432;
  std::string socket_dir = {}, user = {};
  int tls_port = 0;  ///< of the server on its host; 0 = pgBackRest's own default
  /// Asked by this node as well: a standby needs the primary to take a backup. The others are not
  /// named as sources, since pgBackRest would wait for each that is away.
  bool is_source = true;
  friend bool operator==(const ConfPeer&, const ConfPeer&) = default;
};

/// The whole file. The user's options win over ours. Holds secrets.
std::string render_pgbackrest_conf(const model::BackupConfig& config, const ConfNode& node,
                                   const std::vector<ConfPeer>& peers, const ConfSections& user);

/// Writes the file (0600) and makes the folders it names. Gives whether it changed. Blocks on the
/// disk.
Result<bool> write_pgbackrest_conf(const model::LocalConfig& config,
                                   const std::vector<ConfPeer>& peers);

/// Where there is no file yet. The agent knows the topology, and keeps it.
Status begin_pgbackrest_conf(const model::LocalConfig& config);

}  // namespace aurum::backup
