#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

/// WAL that a timeline wrote past its fork: no part of the line that a recovery goes along.
///
/// PostgreSQL looks for each segment on the newest timeline first and then on the older ones, also
/// past their ends. While the first segment of a new timeline is not archived (its primary was
/// killed before it was full) it replays the one of the old timeline, whole: beyond the fork, under
/// the new timeline's name. Such a standby never gets back, and would win an election. So nothing
/// behind the fork leaves the archive (tests/restore_test.cc, the restored node killed at
/// `rebuild`; abandoned_wal_system_test.cc).
namespace aurum::backup {

enum class Cut {
  nothing,
  tail,  ///< the fork is in this segment: what follows it was made zero, as in a WAL's end
  all,   ///< the segment begins behind it: the file was removed
};
/// `file` was fetched from the archive as `segment` for the server of `data_dir`, whose pg_wal has
/// the history of its line: PostgreSQL keeps it there before it asks for WAL.
Result<Cut> cut_abandoned_wal(const std::filesystem::path& data_dir, std::string_view segment,
                              const std::filesystem::path& file);

}  // namespace aurum::backup
