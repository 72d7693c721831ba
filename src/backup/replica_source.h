#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backup/catalogue.h"

/// Whether a replica comes from the repository or from a running member. Pure.
namespace aurum::backup {

/// What is known when a replica is about to be made; bytes.
struct ReplicaChoice {
  std::int64_t database = 0;               ///< as large as it was at the backup
  std::optional<std::uint64_t> wal_since;  ///< to be replayed behind the backup; unset: not known
  bool has_other = false;                  ///< create_replica_methods name another one behind it
};

/// Less than this is replayed in seconds: no reason to burden a member.
inline constexpr std::uint64_t kReplayedInSeconds = std::uint64_t{1} << 30;

/// The repository, so that no member is read through, unless more WAL was written since its backup
/// than the database is large: fetched and replayed file by file, that takes longer than a copy
/// (docs/decisions/0016). Gives why a base backup is better; "" = it is not.
std::string base_backup_is_better(const ReplicaChoice& choice);

/// Of a backup that is to be restored, where the leader writes at `written`.
ReplicaChoice replica_choice(const Backup& backup, std::optional<model::Lsn> written,
                             bool has_other);

}  // namespace aurum::backup
