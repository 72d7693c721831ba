#include "backup/node_config.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/pgbackrest_conf.h"
#include "runtime/environment.h"
#include "runtime/users.h"

namespace aurum::backup {

Result<model::LocalConfig> load_node_config(const std::string& path) {
  auto loaded = model::load_config(path, runtime::environment());
  for (const auto& finding : loaded.findings)
    if (finding.level == model::Finding::Level::error) return fail(Code::invalid, finding.text());
  if (!loaded.config->aurum.backup)
    return fail(Code::invalid, "the configuration has no aurum.backup",
                "Add the section, for example {repositories: [{path: /backup}]}.");
  return std::move(*loaded.config);
}

Status become_owner(const model::LocalConfig& config) {
  struct stat facts{};
  if (::geteuid() != 0) return {};
  // A data directory that is gone, or was moved aside: whoever owns the place it stands in.
  auto dir = config.pg.data_dir;
  while (::stat(dir.c_str(), &facts) != 0 && dir.has_relative_path()) dir = dir.parent_path();
  if (facts.st_uid == 0) return {};
  const passwd* owner = ::getpwuid(facts.st_uid);
  return runtime::become_user({.name = owner ? owner->pw_name : std::to_string(facts.st_uid),
                               .uid = facts.st_uid,
                               .gid = facts.st_gid,
                               .home = config.pg.data_dir.parent_path().string()});
}

Result<model::LocalConfig> begin_on_node(const std::string& path) {
  auto config = load_node_config(path);
  if (!config) return config;
  const auto became = become_owner(*config);
  if (!became) return fail(became.error());
  const auto begun = begin_pgbackrest_conf(*config);
  if (!begun) return fail(begun.error());
  return config;
}

}  // namespace aurum::backup
