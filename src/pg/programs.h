#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "runtime/process.h"

namespace aurum::pg {

/// Where a program of PostgreSQL stands: bin_name, bin_dir, PATH, and then Debian's
/// /usr/lib/postgresql/<major>/bin
/// (`major` first, 0 = the newest). Code::not_found with a hint.
Result<std::string> find_pg_program(const model::PgConfig& config, std::string_view name,
                                    int major);

/// 15 of "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"; 18 of "… 18beta1". Code::protocol
/// otherwise.
Result<int> parse_version(std::string_view version_line);

/// The environment of a user's command and of initdb, whose locale becomes the cluster's: ours
/// without PATRONI_* (secrets) and NOTIFY_SOCKET, plus `extra` ("NAME=value").
std::vector<std::string> plain_environment(std::vector<std::string> extra = {});
/// The same with messages in English, for programs whose output we read.
std::vector<std::string> child_environment(std::vector<std::string> extra = {});
/// The postmaster's: the same with the user's own language kept and MALLOC_ARENA_MAX from
/// PG_MALLOC_ARENA_MAX.
std::vector<std::string> postmaster_environment();

/// Why a program of PostgreSQL failed, on one line: the last line that it calls an error, without
/// its own name. libpq adds lines of detail behind it ("password retrieved from file …").
std::string tool_reason(const runtime::ProcessEnd& end);

}  // namespace aurum::pg
