#pragma once

#include <string>

#include "stack/cluster.h"
#include "support/cluster_test.h"

/// Clusters with a pgBackRest repository, and the commands that an operator types there.
namespace aurum::tests {

/// An `aurum.backup` with a repository on this machine, for Plan::overrides.
std::string backup_overrides(const stack::Plan& plan);
std::string repository_of(const stack::Plan& plan);

struct Said {
  int code = 0;
  std::string text;  ///< both outputs
};
/// `aurum COMMAND -c CONFIG MORE` with the configuration of a node, to its end.
Said aurum(const stack::Cluster& cluster, std::size_t node, const std::string& command,
           const std::string& more);

/// The same on a terminal; what is written anew on a line is all there, with its '\r'.
Said aurum_on_terminal(const stack::Cluster& cluster, std::size_t node, const std::string& command,
                       const std::string& more);

/// A cluster test in which backups can be taken and the cluster be restored.
class BackupTest : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override { plan.overrides = backup_overrides(plan); }

  /// On the leader; gives what it said.
  std::string back_up(const std::string& type);
  Said restore(const std::string& more, std::size_t node = 0) {
    return aurum(cluster(), node, "restore", more);
  }
  /// Of the restore that is on; "" when none is.
  std::string restore_step();
  std::string restore_key();
};

}  // namespace aurum::tests
