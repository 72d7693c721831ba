#include <algorithm>

#include <fmt/format.h>

#include "model/config_schema.h"
#include "model/rotation.h"

/// Which file a password comes from, and whether it is that password's alone.
namespace aurum::model {

namespace {

struct Place {
  std::string_view path, variable;
  std::string username, password;
};

Place place_of(const LocalConfig& config, PasswordUse use) {
  switch (use) {
    case PasswordUse::superuser:
      return {"postgresql.authentication.superuser", "PATRONI_SUPERUSER_PASSWORD",
              config.pg.superuser.username, config.pg.superuser.password};
    case PasswordUse::replication:
      return {"postgresql.authentication.replication", "PATRONI_REPLICATION_PASSWORD",
              config.pg.replication.username, config.pg.replication.password};
    case PasswordUse::rewind:
      return {"postgresql.authentication.rewind", "PATRONI_REWIND_PASSWORD",
              config.pg.rewind.username, config.pg.rewind.password};
    case PasswordUse::rest:
      break;
  }
  return {"restapi.authentication", "PATRONI_RESTAPI_PASSWORD", config.rest.username,
          config.rest.password};
}

Result<std::string> file_of(const LocalConfig& config, const Environment& env, const Place& place) {
  if (const Value* file = value_at(config.raw, fmt::format("{}.password_file", place.path)))
    return file->text();
  if (const auto variable = env.find(std::string(place.variable));
      variable != env.end() && !variable->second.empty())
    return fail(Code::invalid,
                fmt::format("its password comes from the environment variable {}, which can not "
                            "be changed while running",
                            place.variable),
                fmt::format("Put it into a file and set {}_FILE.", place.variable));
  if (value_at(config.raw, fmt::format("{}.password", place.path)) != nullptr)
    return fail(Code::invalid,
                fmt::format("its password stands in the configuration as {}.password, which is "
                            "not rewritten",
                            place.path),
                fmt::format("Put it into a file of its own and set {}.password_file.", place.path));
  return fail(Code::not_found, fmt::format("the configuration sets no {}.password", place.path));
}

/// Two logins may share both role and file, or neither: else a change of one breaks the other.
Status check_shared(const LocalConfig& config, const Environment& env, PasswordUse use,
                    const std::string& file) {
  const Place own = place_of(config, use);
  for (const auto other_use : kPasswordUses) {
    if (other_use == use) continue;
    const Place other = place_of(config, other_use);
    const auto other_file = file_of(config, env, other);
    const bool same_file = other_file && *other_file == file;
    const bool same_role = use != PasswordUse::rest && other_use != PasswordUse::rest &&
                           value_at(config.raw, other.path) != nullptr &&
                           other.username == own.username;
    if (same_file && !same_role)
      return fail(Code::invalid,
                  fmt::format("the file {} is also that of {}", file, to_string(other_use)),
                  "Give each password a file of its own.");
    if (same_role && !same_file)
      return fail(Code::invalid,
                  fmt::format("{} logs in as {} too, and not from the same file",
                              to_string(other_use), own.username),
                  "Let both name one password_file, or give each a role of its own.");
  }
  return {};
}

}  // namespace

Result<PasswordSource> password_source(const LocalConfig& config, const Environment& env,
                                       PasswordUse use) {
  const Place place = place_of(config, use);
  if (use == PasswordUse::rewind && value_at(config.raw, place.path) == nullptr)
    return fail(Code::not_found,
                fmt::format("rewind has no login of its own: {} is used", place.username),
                "Change superuser.");
  auto file = file_of(config, env, place);
  if (!file) return fail(file.error());
  const auto shared = check_shared(config, env, use, *file);
  if (!shared) return fail(shared.error());
  PasswordSource source{use == PasswordUse::rest ? std::string() : place.username, {*file}};
  if (use != PasswordUse::rest || config.ctl.username.empty()) return source;
  // What this node's own calls to the others are made with.
  const auto ctl =
      file_of(config, env, {"ctl.authentication", "PATRONI_CTL_PASSWORD", config.ctl.username, {}});
  if (!ctl) return fail(ctl.error());
  if (*ctl != *file) source.files.push_back(*ctl);
  return source;
}

}  // namespace aurum::model
