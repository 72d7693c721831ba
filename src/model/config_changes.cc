#include "model/config_changes.h"

#include <algorithm>
#include <array>

namespace aurum::model {
namespace {

/// Settings of PostgreSQL, and of extensions, by what they name: archive_command,
/// shared_preload_libraries, jit_provider, log_directory, plperl.on_init, pgsodium.getkey_script.
constexpr auto kEndings = std::to_array<std::string_view>(
    {"command", "library", "libraries", "provider", "script", "path", "file", "filename",
     "directory", "directories", "init", "proc"});

/// Below `postgresql`: what is neither a setting of the server nor known to be harmless may run
/// something.
constexpr auto kHarmless = std::to_array<std::string_view>(
    {"use_pg_rewind", "use_slots", "use_unix_socket", "use_unix_socket_repl", "pg_ctl_timeout",
     "krbsrvname", "remove_data_directory_on_rewind_failure",
     "remove_data_directory_on_diverged_timelines"});

/// Takes `prefix` off `path`.
bool take(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  path.remove_prefix(prefix.size());
  return true;
}

/// PostgreSQL reads names in any case, and a line of its file may also be an include.
bool setting_runs_commands(std::string_view name) {
  std::string low(name);
  std::ranges::transform(low, low.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const bool plain = std::ranges::all_of(low, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '$';
  });
  return !plain || low.empty() || low.starts_with("include") ||
         std::ranges::any_of(kEndings, [&](auto ending) { return low.ends_with(ending); });
}

void collect(const Value* before, const Value* after, const std::string& path,
             std::vector<std::string>& out) {
  const bool was_map = before != nullptr && before->is_object();
  const bool is_map = after != nullptr && after->is_object();
  if (before != nullptr && after != nullptr && *before == *after) return;
  const auto below = [&path](const std::string& name) {
    return path.empty() ? name : path + "." + name;
  };
  if (is_map)
    for (const auto& [name, value] : after->as_object())
      collect(was_map ? before->find(name) : nullptr, &value, below(name), out);
  if (was_map)
    for (const auto& [name, value] : before->as_object())
      if (!is_map || after->find(name) == nullptr) collect(&value, nullptr, below(name), out);
  if (was_map && is_map) return;
  // A map counts by what is in it, an empty one by itself.
  const auto counts = [](const Value* value, bool map) {
    return value != nullptr && (!map || value->empty());
  };
  if (!path.empty() && (counts(before, was_map) || counts(after, is_map))) out.push_back(path);
}

}  // namespace

std::vector<std::string> changed_keys(const Value& before, const Value& after) {
  std::vector<std::string> out;
  collect(&before, &after, "", out);
  return out;
}

bool runs_commands(std::string_view path) {
  // Whose data this cluster holds from then on, roles and functions included; and its commands.
  if (path == "standby_cluster" || path.starts_with("standby_cluster.")) return true;
  for (const std::string_view slots :
       {"slots.", "permanent_slots.", "permanent_replication_slots."})
    if (path.starts_with(slots)) return path.ends_with(".plugin");  // a library
  if (!take(path, "postgresql.")) return false;
  if (path == "parameters" || path == "recovery_conf") return false;  // empty ones
  if (take(path, "parameters.") || take(path, "recovery_conf.")) return setting_runs_commands(path);
  return std::ranges::find(kHarmless, path) == kHarmless.end();
}

std::vector<std::string> changed_command_keys(const Value& before, const Value& after) {
  auto out = changed_keys(before, after);
  std::erase_if(out, [](const std::string& path) { return !runs_commands(path); });
  return out;
}

}  // namespace aurum::model
