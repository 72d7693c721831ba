#pragma once

#include <filesystem>
#include <string>
#include <string_view>

/// What PostgreSQL's archiver was told of the files in pg_wal. All of it blocks on the disk.
namespace aurum::pg {

/// Tells the archiver of segments that it was never told of; gives how many.
///
/// PostgreSQL does so when a segment is full and fsynced. Killed in between it never does (but when
/// it wants to remove the file, hours later), and the archive has a gap that no recovery comes over
/// (tests/restore_test.cc, the node of the keeper killed at `stop`). A segment between two of its
/// timeline that were told of was full.
int announce_wal(const std::filesystem::path& data_dir);

/// Whether all of a timeline up to this segment is archived; nobody waits for what was recycled.
bool is_archived_up_to(const std::filesystem::path& data_dir, std::string_view segment);

}  // namespace aurum::pg
