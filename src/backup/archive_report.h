#pragma once

#include <filesystem>
#include <string>

#include "backup/archive_state.h"

/// How archiving goes on this node, for people and metrics.
namespace aurum::backup {

struct ArchiveReport {
  ArchiveState state;
  std::size_t waiting = 0;     ///< files that PostgreSQL has finished and that are not archived
  std::string oldest_waiting;  ///< where the archive would have its gap; "" = none
  WallTime waiting_since;      ///< when PostgreSQL finished it
  std::size_t left = 0;        ///< of another leadership, kept until the archive has them
  std::uint64_t segment_size = 16U << 20;
  bool failing() const { return state.failures > 0; }
};

/// Reads the state file and pg_wal/archive_status, and what is kept in `work_dir` ("" = none is).
/// Blocks on the disk.
ArchiveReport read_archive_report(const std::filesystem::path& state_dir,
                                  const std::filesystem::path& data_dir,
                                  const std::filesystem::path& work_dir = {});
/// Size of this server's WAL files.
std::uint64_t wal_segment_size(const std::filesystem::path& data_dir);
/// One or two lines.
std::string render_archive_report(const ArchiveReport& report);

}  // namespace aurum::backup
