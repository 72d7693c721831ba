#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "model/postgres.h"

namespace aurum::pg {

/// Reads the output of pg_controldata with LC_ALL=C, PostgreSQL 13 to 18. `pg_version` stays 0:
/// PG_VERSION has it. Code::protocol when a field everything rests on is missing; a CRC warning is
/// Code::invalid.
Result<model::ControlData> parse_control_data(std::string_view text);

/// When pg_control was written last, in nanoseconds of the wall clock; 0 = it is not there.
std::int64_t control_changed_ns(const std::filesystem::path& data_dir);

}  // namespace aurum::pg
