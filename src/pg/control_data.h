#pragma once

#include <string_view>

#include "base/result.h"
#include "model/postgres.h"

namespace aurum::pg {

/// Reads the output of pg_controldata with LC_ALL=C, PostgreSQL 13 to 18. `pg_version` stays 0:
/// PG_VERSION has it. Code::protocol when a field everything rests on is missing; a CRC warning is
/// Code::invalid.
Result<model::ControlData> parse_control_data(std::string_view text);

}  // namespace aurum::pg
