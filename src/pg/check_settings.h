#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/config.h"
#include "pg/settings.h"
#include "runtime/async.h"
#include "runtime/pool.h"

/// Values that PostgreSQL itself refuses. A running server skips them at a reload, but would not
/// start again with them: so none of them may stand in the file.
namespace aurum::pg {

/// The settings an error output of `postgres -C` names, each with its line.
std::vector<std::pair<std::string, std::string>> refused_settings(std::string_view output,
                                                                  const Settings& settings);

struct CheckPlan {
  std::string program;  ///< postgres
  std::filesystem::path data_dir, config_dir;
  std::string base_name;  ///< "postgresql": the trial file stands beside that one
  std::function<std::string(const WantedSettings&)> render;
};
/// Has the server program read the configuration (`postgres -C`, which starts nothing and also
/// works beside a running server), takes out of `wanted.file` what it refuses, and gives a warning
/// for each. `wanted` lives as long as the call.
runtime::Task<std::vector<model::Finding>> drop_unusable(CheckPlan plan, WantedSettings& wanted,
                                                         runtime::Pool& pool);

/// What a setting would be by the files of `plan` with these settings, all includes and
/// postgresql.auto.conf counted (`postgres -C`).
runtime::Task<Result<std::string>> value_by_files(CheckPlan plan, const WantedSettings& wanted,
                                                  std::string name, runtime::Pool& pool);

}  // namespace aurum::pg
