#pragma once

#include <filesystem>
#include <functional>

#include "model/config.h"

namespace aurum::backup {

/// The run directory of the member, where archiving leaves its state (fence::choose_run_dir).
using FindRunDir = std::function<Result<std::filesystem::path>(const model::LocalConfig&)>;

/// `aurum backup …` on a database node.
int backup_main(int argc, char** argv, const FindRunDir& find_run_dir);

}  // namespace aurum::backup
