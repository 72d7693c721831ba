#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// WAL that a former primary has finished and not archived: PostgreSQL archives nothing as a
/// standby, removes it in time, and pg_rewind removes it at once. It is kept beside the data
/// directory until the archive has it. These block on the disk of the data directory, never on a
/// repository.
namespace aurum::backup {

/// Names PostgreSQL gives to what it archives: segments, partial ones, histories, backup labels.
bool is_archived_name(std::string_view name);

/// Copies what waits in pg_wal/archive_status into work_dir/left, at most `limit` files, the oldest
/// first. Gives how many of them are there now.
Result<std::size_t> keep_left_wal(const std::filesystem::path& data_dir,
                                  const std::filesystem::path& work_dir, std::size_t limit);
/// What is kept, the oldest first.
std::vector<std::filesystem::path> left_wal(const std::filesystem::path& work_dir);
/// The archive has it: removed here, and marked as archived where it still waits.
void forget_left_wal(const std::filesystem::path& file, const std::filesystem::path& data_dir);

/// Takes files of pg_wal that are named, whatever their state: those the archive turned out to
/// lack. Gives the names of those that are not there.
Result<std::vector<std::string>> keep_wal(const std::filesystem::path& data_dir,
                                          const std::filesystem::path& work_dir,
                                          const std::vector<std::string>& names);

}  // namespace aurum::backup
