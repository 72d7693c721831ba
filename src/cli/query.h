#pragma once

#include "cli/world.h"

namespace aurum::cli {

/// World::query with libpq.
QueryResult run_query(const Query& query);

}  // namespace aurum::cli
