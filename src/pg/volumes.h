#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "model/disk.h"

/// The file systems of a data directory, and the ballast file on each: room that is held back until
/// PostgreSQL needs it. Everything here blocks on the disk: call it in the pool.
namespace aurum::pg {

/// In base/ of the data directory, and in pg_wal where that lies on another volume. By this prefix
/// pg_basebackup, pg_rewind, pg_checksums and pgBackRest take it for a temporary file and leave it
/// out (basebackup protocol, "pgsql_tmp"); a starting server removes such only in pgsql_tmp
/// folders.
inline constexpr const char* kBallastFile = "pgsql_tmp_aurum_ballast";

/// By statvfs(3). Errors: not_found, permission, io.
Result<model::DiskFacts> look_at_volumes(const std::filesystem::path& data_dir);

/// Whether two directories lie on different file systems; false where one can not be looked at.
bool on_another_volume(const std::filesystem::path& a, const std::filesystem::path& b);

/// Makes, or with 0 removes, the ballast files; one that is there is left as it is. What could not
/// be made whole is removed again. Errors as above.
Status hold_ballast(const std::filesystem::path& data_dir, std::uint64_t data, std::uint64_t wal);

}  // namespace aurum::pg
