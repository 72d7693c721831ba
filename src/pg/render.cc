#include "pg/render.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "pg/conninfo.h"

namespace aurum::pg {

std::string conf_line(std::string_view name, std::string_view value) {
  std::string out(name);
  out += " = '";
  for (char c : value) {
    if (c == '\'' || c == '\\') out += c;
    if (c == '\n' || c == '\r') c = ' ';
    out += c;
  }
  return out + "'\n";
}

namespace {

constexpr std::array kRecoveryTargets{"recovery_target", "recovery_target_lsn",
                                      "recovery_target_name", "recovery_target_time",
                                      "recovery_target_xid"};
/// Settings of the former recovery.conf. In postgresql.auto.conf they would win over ours.
constexpr std::array kRecoverySettings{
    "archive_cleanup_command",  "primary_conninfo",       "primary_slot_name",
    "promote_trigger_file",     "recovery_end_command",   "recovery_min_apply_delay",
    "recovery_target",          "recovery_target_action", "recovery_target_inclusive",
    "recovery_target_lsn",      "recovery_target_name",   "recovery_target_time",
    "recovery_target_timeline", "recovery_target_xid",    "restore_command"};

bool belongs_to_agent(std::string_view name) {
  return name.starts_with("recovery_target") || name.starts_with("primary_") ||
         name == "standby_mode" || name == "trigger_file";
}

void take_recovery_conf(Settings& out, const model::Value* conf) {
  if (!conf || !conf->is_object()) return;
  for (const auto& [name, value] : conf->as_object())
    if (!belongs_to_agent(name))
      if (auto text = setting_text(value)) out[name] = *text;
}

}  // namespace

Settings recovery_settings(const model::LocalConfig& config, const model::DynamicConfig& dynamic,
                           const model::PgTarget& target, const std::string& passfile, int major) {
  Settings out;
  take_recovery_conf(out, dynamic.postgresql.find("recovery_conf"));
  take_recovery_conf(out, &config.pg.recovery_conf);
  if (!target.primary && dynamic.standby_cluster && target.upstream &&
      target.upstream->name.empty()) {
    const auto& remote = *dynamic.standby_cluster;
    if (!remote.restore_command.empty()) out["restore_command"] = remote.restore_command;
    if (!remote.archive_cleanup_command.empty())
      out["archive_cleanup_command"] = remote.archive_cleanup_command;
    if (!remote.recovery_min_apply_delay.empty())
      out["recovery_min_apply_delay"] = remote.recovery_min_apply_delay;
  }
  // One of the user's in postgresql.parameters stands in the file already.
  const auto* shared = dynamic.postgresql.find("parameters");
  const bool own =
      (shared && shared->find("restore_command")) || config.pg.parameters.find("restore_command");
  if (!config.pg.restore_command.empty() && !own)
    out.emplace("restore_command", config.pg.restore_command);
  if (major >= 16) out.erase("promote_trigger_file");
  // PostgreSQL refuses a second target even where it is empty.
  if (!target.recovery)
    for (const char* name : kRecoveryTargets) out[name] = "";
  out["recovery_target_timeline"] = "latest";
  if (!target.primary && target.upstream && !target.upstream->host.empty()) {
    auto keywords = primary_conninfo(config, *target.upstream, passfile, major);
    // A comma list of hosts names several remotes of which only one can be written.
    if (target.upstream->host.find(',') != std::string::npos)
      keywords.emplace_back("target_session_attrs", "read-write");
    out["primary_conninfo"] = render_conninfo(keywords);
    if (!target.slot_name.empty()) out["primary_slot_name"] = target.slot_name;
  }
  return out;
}

Settings recovery_arguments(const model::PgTarget& target) {
  Settings out;
  if (target.own_timeline) out["recovery_target_timeline"] = "current";
  if (!target.recovery) return out;
  const auto& to = target.recovery->target;
  out["recovery_target_timeline"] = std::to_string(target.recovery->timeline);
  if (to.kind == model::RecoveryTarget::Kind::latest) return out;
  out[fmt::format("recovery_target_{}", model::to_string(to.kind))] = to.value;
  out["recovery_target_action"] = "promote";
  return out;
}

Settings bootstrap_recovery_settings(const model::BootstrapConfig& bootstrap) {
  Settings out;
  const auto* section = bootstrap.custom_method();
  const auto* conf = section ? section->find("recovery_conf") : nullptr;
  if (!conf || !conf->is_object() || conf->size() == 0) return out;
  out["recovery_target_timeline"] = "latest";
  for (const auto& [name, value] : conf->as_object())
    if (auto text = setting_text(value); text && name != "standby_mode") out[name] = *text;
  // One target only: PostgreSQL refuses a second one even where it is empty.
  const bool aims = std::any_of(kRecoveryTargets.begin(), kRecoveryTargets.end(),
                                [&](const char* name) { return out.contains(name); });
  if (!aims)
    for (const char* name : kRecoveryTargets) out[name] = "";
  return out;
}

bool keeps_recovery_conf(const model::BootstrapConfig& bootstrap) {
  const auto* section = bootstrap.custom_method();
  const auto* keep = section ? section->find("keep_existing_recovery_conf") : nullptr;
  return bootstrap_recovery_settings(bootstrap).empty() && keep && model::read_bool(*keep) == true;
}

bool bootstrap_recovers(const model::BootstrapConfig& bootstrap) {
  return !bootstrap_recovery_settings(bootstrap).empty();
}

namespace {

constexpr std::string_view kDoorBegin = "# open while the cluster is founded\n";
constexpr std::string_view kDoorEnd = "# founded\n";

}  // namespace

std::string with_open_door(std::string_view hba, const std::string& superuser) {
  const std::string user = quote_identifier(superuser);
  std::string out(kDoorBegin);
  out += "local all " + user + " trust\nhost all " + user + " samehost trust\n";
  return out.append(kDoorEnd).append(without_open_door(hba));
}

std::string without_open_door(std::string_view hba) {
  const auto begin = hba.find(kDoorBegin);
  const auto end = hba.find(kDoorEnd);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin)
    return std::string(hba);
  return std::string(hba.substr(0, begin)).append(hba.substr(end + kDoorEnd.size()));
}

std::string render_postgresql_conf(const WantedSettings& wanted, const ConfPaths& paths,
                                   const Settings& recovery) {
  std::string out =
      "# Do not edit this file manually!\n# It will be overwritten by Patroni!\ninclude '" +
      paths.base_file + "'\n\n";
  Settings all = wanted.file;
  for (const auto& [name, value] : wanted.command_line) all[name] = value;
  all.erase("hba_file");
  all.erase("ident_file");
  for (const char* name : kRecoverySettings)
    if (recovery.contains(name)) all.erase(name);
  for (const auto& [name, value] : all) out += conf_line(name, value);
  out += conf_line("hba_file", paths.hba_file);
  out += conf_line("ident_file", paths.ident_file);
  if (!recovery.empty()) {
    out += "\n# recovery.conf\n";
    for (const auto& [name, value] : recovery) out += conf_line(name, value);
  }
  return out;
}

std::vector<std::string> postmaster_arguments(const std::string& data_dir,
                                              const std::string& config_file,
                                              const WantedSettings& wanted) {
  std::vector<std::string> out{"-D", data_dir, "--config-file=" + config_file};
  for (const char* first : {"listen_addresses", "port", "cluster_name"})
    if (auto at = wanted.command_line.find(first); at != wanted.command_line.end())
      out.push_back("--" + at->first + "=" + at->second);
  for (const auto& [name, value] : wanted.command_line)
    if (name != "listen_addresses" && name != "port" && name != "cluster_name")
      out.push_back("--" + name + "=" + value);
  return out;
}

std::optional<std::string> render_lines(const model::Value& local, const model::Value* dynamic) {
  const model::Value* list = local.is_array() && local.size() > 0                    ? &local
                             : dynamic && dynamic->is_array() && dynamic->size() > 0 ? dynamic
                                                                                     : nullptr;
  if (!list) return std::nullopt;
  std::string out = "# Do not edit this file manually!\n# It will be overwritten by Patroni!\n\n";
  for (const auto& line : list->as_array()) out += line.text() + "\n";
  return out;
}

std::string bootstrap_hba(const model::LocalConfig& config) {
  std::string out = "\n";
  if (config.bootstrap.pg_hba.is_array() && config.bootstrap.pg_hba.size() > 0) {
    for (const auto& line : config.bootstrap.pg_hba.as_array()) out += line.text() + "\n";
    return out;
  }
  const auto& replication = config.pg.replication.username;
  const auto& rewind = rewind_login(config.pg).username;
  out += "# members of the cluster\n";
  out += "host replication " + quote_identifier(replication) + " all scram-sha-256\n";
  out += "host all " + quote_identifier(rewind) + " all scram-sha-256\n";
  return out;
}

std::optional<std::string> without_recovery_settings(std::string_view text) {
  std::string out;
  bool changed = false;
  while (!text.empty()) {
    auto end = text.find('\n');
    auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    auto name = line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
    name = name.substr(0, name.find_first_of(" \t="));
    if (std::find(kRecoverySettings.begin(), kRecoverySettings.end(), name) !=
        kRecoverySettings.end()) {
      changed = true;
    } else {
      out += std::string(line) + "\n";
    }
  }
  return changed ? std::optional(out) : std::nullopt;
}

std::string human_bytes(double bytes) {
  if (bytes < 1e6) return fmt::format("{:.0f} kB", bytes / 1e3);
  if (bytes < 1e9) return fmt::format("{:.0f} MB", bytes / 1e6);
  if (bytes < 1e12) return fmt::format("{:.1f} GB", bytes / 1e9);
  return fmt::format("{:.2f} TB", bytes / 1e12);
}

std::optional<std::string> copy_progress(std::string_view line) {
  auto skip_blanks = [&] {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  };
  auto number = [&](double& out) {
    skip_blanks();
    std::uint64_t value = 0;
    auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (ec != std::errc()) return false;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    out = static_cast<double>(value) * 1024;
    return true;
  };
  double done = 0, total = 0;
  if (!number(done) || !line.starts_with('/')) return std::nullopt;
  line.remove_prefix(1);
  if (!number(total)) return std::nullopt;
  skip_blanks();
  if (!line.starts_with("kB")) return std::nullopt;
  const int percent = total > 0 ? std::min(100, static_cast<int>(done * 100 / total)) : 100;
  return fmt::format("copied {} of {} ({} %)", human_bytes(done),
                     human_bytes(std::max(total, done)), percent);
}

std::vector<std::string> long_options(const model::Value& options,
                                      std::initializer_list<std::string_view> forbidden,
                                      std::vector<std::string>* refused) {
  std::vector<std::string> out;
  auto add = [&](std::string_view name, const model::Value* value) {
    while (name.starts_with('-')) name.remove_prefix(1);
    const auto bare = name.substr(0, name.find('='));
    if (std::find(forbidden.begin(), forbidden.end(), bare) != forbidden.end()) {
      if (refused) refused->emplace_back(bare);
      return;
    }
    if (!value || value->is_null() || (value->is_bool() && value->as_bool())) {
      out.push_back("--" + std::string(name));
    } else if (!value->is_bool()) {
      out.push_back("--" + std::string(name) + "=" + value->text());
    }
  };
  if (options.is_array()) {
    for (const auto& item : options.as_array()) {
      if (item.is_object()) {
        for (const auto& [name, value] : item.as_object()) add(name, &value);
      } else if (!item.empty()) {
        add(item.text(), nullptr);
      }
    }
  } else if (options.is_object()) {
    for (const auto& [name, value] : options.as_object()) add(name, &value);
  }
  return out;
}

}  // namespace aurum::pg
