#pragma once

#include <string>
#include <vector>

#include "model/cluster.h"

/// Quorum commit (PATRONI_COMPAT §8.5): a commit waits for any k of the voters, and an election for
/// as many of them as surely include one who has it.
///
/// What must stay true: of the voters in the `sync` key, any `quorum` + 1 include one who has every
/// acknowledged commit. With a setting of `needed` out of `names` that is so while quorum + needed
/// is at least the number of all who are in the key or in the setting.
namespace aurum::core {

/// Whom commits wait for: any `needed` of `names`. None: for nobody that is known by name.
struct SyncSetting {
  std::vector<std::string> names;
  int needed = 0;
  friend bool operator==(const SyncSetting&, const SyncSetting&) = default;
};

/// Of a value of synchronous_standby_names (PostgreSQL manual, 20.6.1). "FIRST n" of more than n
/// names is read as any n of them, which promises less.
SyncSetting parse_sync_setting(const std::string& value);

/// "ANY 1 (a,b)"; nobody: "" or, strict, "ANY 1 (*)".
std::string render_quorum(const SyncSetting& setting, bool strict);

/// Nobody can be elected by the voters alone: only who has seen the leader's own WAL.
bool elects_nobody(const model::SyncKey& key);

/// Whether the key's promise holds for all that is committed from now on under this setting.
bool keeps_promise(const model::SyncKey& key, const SyncSetting& setting);

/// The next single step from what is towards what is wanted; every step keeps the promise.
struct QuorumStep {
  enum class What { none, write_key, change_setting };
  What what = What::none;
  std::vector<std::string> voters;  ///< write_key
  int quorum = 0;
};
/// `holders`: have all that was acknowledged before the setting in force. `settled`: the setting in
/// force is the wanted one, to the letter.
QuorumStep plan_quorum(const model::SyncKey& key, const SyncSetting& in_force,
                       const SyncSetting& wanted, const std::vector<std::string>& holders,
                       bool settled);

}  // namespace aurum::core
