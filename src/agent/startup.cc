#include "agent/startup.h"

#include <cstdio>
#include <string>
#include <utility>

namespace aurum::agent {

Result<fence::RunDir> run_dir_of(const model::LocalConfig& config) {
  std::vector<std::filesystem::path> bases;
  if (!config.aurum.run_dir.empty()) bases.push_back(config.aurum.run_dir);
  return fence::choose_run_dir(config.scope, model::guard_name(config.name, config.pg.data_dir),
                               std::move(bases));
}

void print_findings(const model::Loaded& loaded) {
  for (const auto& finding : loaded.findings) {
    const bool error = finding.level == model::Finding::Level::error;
    std::fprintf(stderr, "%s: %s\n", error ? "error" : "warning", finding.text().c_str());
  }
}

}  // namespace aurum::agent
