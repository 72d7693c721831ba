#include "agent/startup.h"

#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "model/config_schema.h"

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

std::vector<model::Finding> check_passwords(const model::LocalConfig& config,
                                            const model::Environment& env) {
  const std::array<std::pair<std::string_view, std::string_view>, 5> passwords = {
      {{"postgresql.authentication.superuser.password", config.pg.superuser.password},
       {"postgresql.authentication.replication.password", config.pg.replication.password},
       {"postgresql.authentication.rewind.password", config.pg.rewind.password},
       {"restapi.authentication.password", config.rest.password},
       {"ctl.authentication.password", config.ctl.password}}};
  std::vector<model::Finding> found;
  model::Findings findings(found, "");
  const auto development = env.find("AURUM_DEVELOPMENT");
  const bool allowed = development != env.end() && development->second == "1";
  for (const auto& [path, password] : passwords) {
    if (!password.starts_with("development-")) continue;
    if (allowed) {
      findings.warning("",
                       "AURUM_DEVELOPMENT=1: this cluster runs with passwords that everybody "
                       "knows",
                       "Never put data there that matters.");
      break;
    }
    findings.error(path, "is a password of the quick start, which everybody knows",
                   "Set your own; or AURUM_DEVELOPMENT=1 where no data matters.");
  }
  return found;
}

}  // namespace aurum::agent
