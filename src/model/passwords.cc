#include "model/passwords.h"

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "model/config_schema.h"

namespace aurum::model {

namespace {

/// All that open something, by their keys.
std::vector<std::pair<std::string, std::string_view>> secrets_of(const LocalConfig& config) {
  std::vector<std::pair<std::string, std::string_view>> out = {
      {"postgresql.authentication.superuser.password", config.pg.superuser.password},
      {"postgresql.authentication.replication.password", config.pg.replication.password},
      {"postgresql.authentication.rewind.password", config.pg.rewind.password},
      {"restapi.authentication.password", config.rest.password},
      {"ctl.authentication.password", config.ctl.password},
      {"ctl.token", config.ctl.token},
      {"etcd3.password", config.etcd.password},
      {"aurum.routing.pgbouncer_password", config.aurum.routing.pgbouncer_password}};
  for (std::size_t i = 0; i < config.aurum.access.size(); ++i)
    out.emplace_back(fmt::format("aurum.access[{}].token_file", i + 1),
                     config.aurum.access[i].token);
  if (!config.aurum.backup) return out;
  const auto& repositories = config.aurum.backup->repositories;
  for (std::size_t i = 0; i < repositories.size(); ++i)
    out.emplace_back(fmt::format("aurum.backup.repositories[{}].cipher_pass", i + 1),
                     repositories[i].cipher_pass);
  return out;
}

}  // namespace

bool is_development(const Environment& env) {
  const auto development = env.find("AURUM_DEVELOPMENT");
  return development != env.end() && development->second == "1";
}

std::vector<Finding> check_passwords(const LocalConfig& config, const Environment& env) {
  std::vector<Finding> found;
  Findings findings(found, "");
  const bool allowed = is_development(env);
  for (const auto& [path, password] : secrets_of(config)) {
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

}  // namespace aurum::model
