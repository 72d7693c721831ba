#include "model/passwords.h"

#include <array>
#include <string_view>
#include <utility>

#include "model/config_schema.h"

namespace aurum::model {

std::vector<Finding> check_passwords(const LocalConfig& config, const Environment& env) {
  const std::array<std::pair<std::string_view, std::string_view>, 5> passwords = {
      {{"postgresql.authentication.superuser.password", config.pg.superuser.password},
       {"postgresql.authentication.replication.password", config.pg.replication.password},
       {"postgresql.authentication.rewind.password", config.pg.rewind.password},
       {"restapi.authentication.password", config.rest.password},
       {"ctl.authentication.password", config.ctl.password}}};
  std::vector<Finding> found;
  Findings findings(found, "");
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

}  // namespace aurum::model
