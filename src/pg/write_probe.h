#pragma once

#include <filesystem>

#include "base/result.h"

/// Proof that the disks of a data directory take writes (docs/decisions/0003). It blocks on them:
/// call it in the pool, with a deadline.
namespace aurum::pg {

/// As kProbeFile (files.h), in pg_wal, where that lies on another volume: a name that copies leave
/// out (volumes.h).
inline constexpr const char* kWalProbeFile = "pgsql_tmp_aurum_probe";
/// Made and removed each time.
inline constexpr const char* kRoomFile = "pgsql_tmp_aurum_room";

enum class Room {
  enough,
  none,  ///< a page more can not be had (ENOSPC, EDQUOT): no table grows, and soon no WAL
};

/// Writes and fsyncs a few bytes in place, and allocates a page which it gives back at once; on the
/// volume of the WAL too. The first shows a disk that hangs, fails or is read-only, at the price of
/// one fdatasync that commits no journal; the second a full one, which takes the first. Errors:
/// not_found, permission, io.
Result<Room> probe_writes(const std::filesystem::path& data_dir);

}  // namespace aurum::pg
