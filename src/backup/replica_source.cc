#include "backup/replica_source.h"

#include <algorithm>

#include <fmt/format.h>

#include "pg/render.h"

namespace aurum::backup {

std::string base_backup_is_better(const ReplicaChoice& choice) {
  if (!choice.has_other || !choice.wal_since) return {};
  const auto database = static_cast<std::uint64_t>(std::max<std::int64_t>(choice.database, 0));
  if (*choice.wal_since <= std::max(database, kReplayedInSeconds)) return {};
  return fmt::format("{} of WAL behind the newest backup of {}",
                     pg::human_bytes(static_cast<double>(*choice.wal_since)),
                     pg::human_bytes(static_cast<double>(database)));
}

ReplicaChoice replica_choice(const Backup& backup, std::optional<model::Lsn> written,
                             bool has_other) {
  ReplicaChoice out{.database = backup.size, .has_other = has_other};
  if (written && backup.lsn_stop.value != 0)
    out.wal_since = written->value - std::min(written->value, backup.lsn_stop.value);
  return out;
}

}  // namespace aurum::backup
