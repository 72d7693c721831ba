#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/sync_quorum.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/postgres.h"

/// Synchronous replication (PATRONI_COMPAT §8.5): which standbys, and the next safe step towards
/// them.
///
/// What must stay true: every standby named in the `sync` key holds every acknowledged commit. So a
/// name enters PostgreSQL's synchronous_standby_names first and the key last, and leaves the key
/// first and PostgreSQL last. In quorum mode that holds of any `quorum` + 1 of them
/// (sync_quorum.h).
namespace aurum::core {

struct SyncView {
  const model::ClusterView* cluster = nullptr;
  const model::DynamicConfig* config = nullptr;
  const model::PgFacts* facts = nullptr;
  std::string self;
  /// Flush LSN seen after the present setting came into force: who has it holds everything
  /// acknowledged before.
  std::optional<model::Lsn> setting_since;
};

/// The next single step; `none` when all is as wanted.
struct SyncStep {
  enum class What { none, write_key, delete_key, set_names };
  What what = What::none;
  model::SyncKey key;  ///< write_key
  std::string names;   ///< set_names: the value of synchronous_standby_names
  std::string reason;
};
SyncStep plan_sync(const SyncView& view);

/// Members that could be synchronous now, best first.
std::vector<std::string> pick_sync_standbys(const SyncView& view);
/// In quorum mode: every one that may vote, and how many of them a commit waits for.
SyncSetting pick_quorum(const SyncView& view);

/// synchronous_standby_names for these members: '', 'name', 'n (a,b)'; strict with nobody: '*'.
std::string render_sync_names(const std::vector<std::string>& names, bool strict);
/// The member names in such a value; "*" gives none.
std::vector<std::string> parse_sync_names(const std::string& value);

}  // namespace aurum::core
