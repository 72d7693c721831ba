#pragma once

#include <string>
#include <vector>

#include "model/cluster.h"

/// What a primary waits for, and what an election by the `sync` key finds, told from PostgreSQL's
/// and PATRONI_COMPAT's words alone: nothing of core/ is asked, so that it can be judged by this.
namespace aurum::sim {

/// `synchronous_standby_names` (PostgreSQL, "Replication" settings): any `needed` of the names may
/// be those whose word a commit waited for. With FIRST, or without a word, they are the first ones
/// of those that are connected: any, for whoever does not know who is.
struct SyncWait {
  std::vector<std::string> names;
  int needed = 0;  ///< 0: a commit waits for nobody
};
/// `everybody`: whom "*" stands for.
SyncWait read_sync_wait(const std::string& setting, const std::vector<std::string>& everybody);

/// Whether every election that the key allows to others than its leader (`quorum` voters beside one
/// voter) has a member that each commit waited for.
bool every_election_knows(const model::SyncKey& key, const SyncWait& wait);

}  // namespace aurum::sim
