#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/result.h"
#include "model/postgres.h"

/// The data directory as files. Everything here may block on the disk: call it in the pool.
namespace aurum::pg {

namespace fs = std::filesystem;

/// A directory with this file holds a clone, initdb or rewind of ours that did not end.
inline constexpr const char* kMarker = "aurum.incomplete";
/// A directory with this file was made by an initdb of ours, or the custom method, and the store
/// does not know it yet.
inline constexpr const char* kFounding = "aurum.founding";
/// Where initdb and pg_basebackup work: both refuse a directory with anything in it, so also one
/// with the marker.
inline constexpr const char* kStaging = "aurum.new";
/// The file of the write probe (write_probe.h).
inline constexpr const char* kProbeFile = "aurum.probe";

/// "<doing> <path>: <errno's text>"; Code::permission, not_found or io.
tl::unexpected<Error> io_error(std::string_view doing, const fs::path& path);

/// Whole content; Code::not_found or Code::io.
Result<std::string> read_file(const fs::path& path);

/// Replaces the file as one: temporary file, fsync, rename, fsync of the directory. After a crash
/// there is the old or the new content. Gives whether the content was another one before; an equal
/// file is not touched.
Result<bool> write_file(const fs::path& path, std::string_view content, mode_t mode);
Status sync_directory(const fs::path& path);

/// 0600, or 0640 when the data directory is readable for its group (initdb --allow-group-access).
mode_t file_mode(const fs::path& data_dir);

model::DataDir inspect_data_dir(const fs::path& data_dir);
/// PG_VERSION; Code::not_found.
Result<int> major_version(const fs::path& data_dir);

/// Creates the directory (0700, parents too) when it is missing.
Status make_data_dir(const fs::path& data_dir);
/// Writes the marker: from now on the directory is `incomplete`. `what` is for people.
Status mark_incomplete(const fs::path& data_dir, std::string_view what);
/// Removes the marker, durably: everything written before is complete.
Status mark_complete(const fs::path& data_dir);

/// Marks what initdb or its like made: its founding has not ended.
Status begin_founding(const fs::path& data_dir);
/// Removes that mark, durably.
Status end_founding(const fs::path& data_dir);
bool is_founding(const fs::path& data_dir);

/// For programs that insist on an empty directory of their own, the marker stands beside it.
fs::path outer_marker(const fs::path& data_dir);
/// Marks a directory that a custom bootstrap method is about to fill.
Status begin_custom_founding(const fs::path& data_dir, const std::string& method);
/// Whether an agent has asked for that just now, or was killed behind it.
bool is_custom_founding(const fs::path& data_dir);

/// Moves what stands in data_dir/aurum.new into data_dir, or the other way. Symbolic links that are
/// relative would point elsewhere after it: then Code::invalid and nothing was moved.
Status move_out_of_staging(const fs::path& data_dir);
Status move_into_staging(const fs::path& data_dir);

/// Removes the content, also behind pg_wal and tablespace links, and keeps the directory. The
/// marker is written first and removed last: half-way it is `incomplete`. Code::invalid for a
/// directory that holds nothing of ours.
Status clear_directory(const fs::path& data_dir, std::string_view why);

/// Whether files of a data directory are elsewhere: tablespaces, or the WAL.
bool has_links(const std::filesystem::path& data_dir);
/// Bytes of all regular files below; what can not be read counts nothing.
std::uintmax_t bytes_below(const std::filesystem::path& dir);

}  // namespace aurum::pg
