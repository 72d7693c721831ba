#pragma once

#include <filesystem>

#include "base/result.h"
#include "model/postgres.h"

/// Timeline history files in pg_wal ("00000005.history"), by which PostgreSQL picks the number of a
/// new timeline: at the end of recovery it takes the first number above its own for which there is
/// no history file (findNewestTimeLine, xlog.c).
///
/// So a number that another member's promotion may have used is taken out of the way by a file of
/// ours in its place: a comment and nothing else, which no server can mistake for an ancestor of
/// its own. Everything here may block on the disk: call it in the pool.
namespace aurum::pg {

std::filesystem::path history_file(const std::filesystem::path& data_dir, model::Timeline timeline);

/// Makes sure, durably, that a server on `own` which is promoted now gets a timeline above `above`.
/// Code::invalid when that would take more files than could ever be meant.
Status reserve_timelines(const std::filesystem::path& data_dir, model::Timeline own,
                         model::Timeline above);

/// Whether reserve_timelines left a file here.
bool has_reserved_timelines(const std::filesystem::path& data_dir);

/// Takes back what reserve_timelines left where no promotion came of it: such a file would keep a
/// standby from fetching the real history of that timeline. What must stay is a number below one
/// that this directory has been on, since the server reads the numbers as one unbroken row;
/// `newest` is the newest timeline of its control file.
Status release_timelines(const std::filesystem::path& data_dir, model::Timeline newest);

}  // namespace aurum::pg
