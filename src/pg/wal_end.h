#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/lsn.h"

/// What pg_waldump (PostgreSQL 13 to 18, LC_ALL=C) tells of the end of WAL.
namespace aurum::pg {

/// Where a record of WAL stands, and its length in bytes.
struct WalRecord {
  model::Lsn lsn;
  std::uint32_t length = 0;
  friend bool operator==(const WalRecord&, const WalRecord&) = default;
};

/// The last of the records that `out` describes, a line each ("rmgr: … len (rec/tot): 54/ 1093,
/// tx: 724, lsn: 0/016D2A38, prev …"); none when there is none, or its line is cut off.
std::optional<WalRecord> last_record(std::string_view out);

/// Whether the records before it are all: what follows is no record. Errors of reading are not so.
bool is_end_of_wal(std::string_view err);

/// Where a record ends that stands at `lsn`: behind its last byte, and the header of each page that
/// begins in it (24 bytes, 40 on the first page of a segment; xlog_internal.h), rounded up to 8.
model::Lsn end_of_record(model::Lsn lsn, std::uint32_t length, std::uint64_t segment_size);

/// Name of the WAL file that holds `lsn` (XLogFileName, xlog_internal.h).
std::string wal_file_name(model::Timeline timeline, model::Lsn lsn, std::uint64_t segment_size);

/// Whether it is such a name, of any timeline and size of files.
bool is_wal_file_name(std::string_view name);

/// Where the oldest WAL file in `data_dir`/pg_wal begins, of any timeline; none when there is none.
std::optional<model::Lsn> oldest_wal(const std::filesystem::path& data_dir);

/// Size of the WAL files in `data_dir`/pg_wal; 0 when there is none.
std::uint64_t wal_segment_size(const std::filesystem::path& data_dir);

}  // namespace aurum::pg
