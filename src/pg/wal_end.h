#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "model/lsn.h"

/// What pg_waldump (PostgreSQL 13 to 18, LC_ALL=C) tells of the end of WAL.
namespace aurum::pg {

/// Where the last record stands that could be read before the error that `err` tells, which is how
/// reading to the end of WAL always ends; none when not even one was found.
std::optional<model::Lsn> last_record_before_end(std::string_view err);

/// Length of the one record that `line` describes ("rmgr: … len (rec/tot): 54/ 1093, …"), in
/// bytes; 0 when there is none.
std::uint32_t record_length(std::string_view line);

/// Where a record ends that stands at `lsn`: behind its last byte, and the header of each page that
/// begins in it (24 bytes, 40 on the first page of a segment; xlog_internal.h), rounded up to 8.
model::Lsn end_of_record(model::Lsn lsn, std::uint32_t length, std::uint64_t segment_size);

/// Size of the WAL files in `data_dir`/pg_wal; 0 when there is none.
std::uint64_t wal_segment_size(const std::filesystem::path& data_dir);

}  // namespace aurum::pg
