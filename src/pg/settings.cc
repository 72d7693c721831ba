#include "pg/settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace aurum::pg {

namespace {

enum class Kind { integer, boolean, wal_level, always_on };
struct Owned {
  const char* name;
  const char* fallback;
  Kind kind;
  std::int64_t minimum = 0;
};
constexpr std::array kOwned{
    Owned{"wal_level", "replica", Kind::wal_level},
    Owned{"hot_standby", "on", Kind::always_on},
    Owned{"max_connections", "100", Kind::integer, 25},
    Owned{"max_wal_senders", "10", Kind::integer, 3},
    Owned{"max_prepared_transactions", "0", Kind::integer, 0},
    Owned{"max_locks_per_transaction", "64", Kind::integer, 32},
    Owned{"max_replication_slots", "10", Kind::integer, 4},
    Owned{"max_worker_processes", "8", Kind::integer, 2},
    Owned{"track_commit_timestamp", "off", Kind::boolean},
    Owned{"wal_log_hints", "on", Kind::boolean},
};
constexpr std::int64_t kLargest = 262'143;  // MAX_BACKENDS, the bound of most of them
/// Settings that only the agent may set; a value in postgresql.parameters is ignored with a
/// warning.
constexpr std::array kNeverFromUser{"listen_addresses", "port",           "cluster_name",
                                    "config_file",      "data_directory", "primary_conninfo",
                                    "primary_slot_name"};

bool is_owned(std::string_view name) {
  return std::any_of(kOwned.begin(), kOwned.end(),
                     [&](const Owned& o) { return name == o.name; }) ||
         name == "wal_keep_size" || name == "wal_keep_segments";
}

void warn(WantedSettings& out, std::string_view name, std::string message, std::string hint = {}) {
  out.findings.push_back({model::Finding::Level::warning,
                          "postgresql.parameters." + std::string(name), std::move(message),
                          std::move(hint)});
}

std::optional<std::string> accepted(const Owned& owned, const model::Value& value) {
  switch (owned.kind) {
    case Kind::integer: {
      auto number = model::read_int(value);
      if (!number || *number < owned.minimum || *number > kLargest) return std::nullopt;
      return std::to_string(*number);
    }
    case Kind::boolean: {
      auto flag = model::read_bool(value);
      if (!flag) return std::nullopt;
      return *flag ? "on" : "off";
    }
    case Kind::wal_level: {
      auto text = value.text();
      std::transform(text.begin(), text.end(), text.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      if (text == "hot_standby" || text == "archive") return "replica";
      if (text == "replica" || text == "logical") return text;
      return std::nullopt;
    }
    case Kind::always_on:
      return model::read_bool(value) == true ? std::optional<std::string>("on") : std::nullopt;
  }
  return std::nullopt;
}

/// wal_keep_segments counted 16 MB pieces until PostgreSQL 12; every version we run knows
/// wal_keep_size only.
std::string wal_keep_size(WantedSettings& out, const model::Value* parameters) {
  if (parameters) {
    if (const auto* size = parameters->find("wal_keep_size"); size && !size->is_null()) {
      // A bare number is in megabytes.
      auto number = model::read_int(*size);
      auto bytes = number && !size->text().empty() &&
                           std::isdigit(static_cast<unsigned char>(size->text().back()))
                       ? std::optional<std::int64_t>(*number * 1024 * 1024)
                       : model::read_bytes(*size);
      if (bytes && *bytes >= 16LL * 1024 * 1024)
        return std::to_string(*bytes / (1024 * 1024)) + "MB";
      warn(out, "wal_keep_size",
           "'" + size->text() + "' is not a size of at least 16MB, 128MB is used");
    } else if (const auto* segments = parameters->find("wal_keep_segments");
               segments && !segments->is_null()) {
      if (auto number = model::read_int(*segments); number && *number >= 1)
        return std::to_string(*number * 16) + "MB";
      warn(out, "wal_keep_segments",
           "'" + segments->text() + "' is not a number of at least 1, 8 is used");
    }
  }
  return "128MB";
}

void take_user_settings(WantedSettings& out, const model::Value* parameters, bool local) {
  if (!parameters || !parameters->is_object()) return;
  for (const auto& [name, value] : parameters->as_object()) {
    if (std::find(kNeverFromUser.begin(), kNeverFromUser.end(), name) != kNeverFromUser.end()) {
      warn(out, name, "is set by the agent, the value is ignored",
           name == "port" || name == "listen_addresses" ? "Set postgresql.listen instead." : "");
      continue;
    }
    if (is_owned(name)) {
      if (local)
        warn(out, name, "is ignored in the local file, since all members must agree on it",
             "Set it in the dynamic configuration: ctl edit-config.");
      continue;
    }
    if (auto text = setting_text(value)) {
      out.file[name] = *text;
    } else {
      out.file.erase(name);
    }
  }
}

}  // namespace

namespace {

/// Archiving where the user has none of his own, and did not turn it off.
void add_archiving(Settings& file, const model::PgConfig& pg) {
  if (pg.archive_command.empty()) return;
  for (const char* own : {"archive_command", "archive_library"})
    if (const auto at = file.find(own); at != file.end() && !at->second.empty()) return;
  if (const auto mode = file.find("archive_mode");
      mode != file.end() && model::read_bool(model::Value(mode->second)) == false)
    return;
  file["archive_command"] = pg.archive_command;
  file.emplace("archive_mode", "on");
  // Without it the newest moment that can be recovered may be hours old on a quiet server.
  file.emplace("archive_timeout", "60s");
}

}  // namespace

std::optional<std::string> setting_text(const model::Value& value) {
  if (value.is_null()) return std::nullopt;
  if (value.is_bool()) return value.as_bool() ? "on" : "off";
  if (value.is_array()) {
    std::string out;
    for (const auto& item : value.as_array()) out += (out.empty() ? "" : ",") + item.text();
    return out;
  }
  return value.text();
}

WantedSettings wanted_settings(const model::LocalConfig& config,
                               const model::DynamicConfig& dynamic, const model::PgTarget& target,
                               int major) {
  WantedSettings out;
  const auto* parameters = dynamic.postgresql.find("parameters");

  // Found better than PostgreSQL's own default by measurement: with 5 s a standby promoted right
  // after its primary died can spend 5 s waiting for the next try (DESIGN §4).
  out.file["wal_retrieve_retry_interval"] = "100ms";
  take_user_settings(out, parameters, false);
  take_user_settings(out, &config.pg.parameters, true);
  add_archiving(out.file, config.pg);

  for (const auto& owned : kOwned) {
    std::string value = owned.fallback;
    if (const auto* given = parameters ? parameters->find(owned.name) : nullptr;
        given && !given->is_null()) {
      if (auto text = accepted(owned, *given)) {
        value = *text;
      } else {
        warn(out, owned.name,
             "'" + given->text() + "' is not usable, " + owned.fallback + " is used",
             owned.kind == Kind::integer
                 ? "The smallest value is " + std::to_string(owned.minimum) + "."
                 : "");
      }
    }
    out.command_line[owned.name] = value;
  }
  out.command_line["listen_addresses"] = config.pg.listen_addresses();
  out.command_line["port"] = std::to_string(config.pg.port());
  out.command_line["cluster_name"] = config.scope;
  out.file["wal_keep_size"] = wal_keep_size(out, parameters);
  if (target.synchronous_standby_names)
    out.file["synchronous_standby_names"] = *target.synchronous_standby_names;
  if (target.hot_standby_feedback) out.file["hot_standby_feedback"] = "on";
  if (major >= 17 && out.file.contains("vacuum_defer_cleanup_age"))
    out.file.erase("vacuum_defer_cleanup_age");
  return out;
}

std::vector<std::string> raise_to_control_data(WantedSettings& wanted,
                                               const model::ControlData& control) {
  std::vector<std::string> raised;
  for (const auto& [name, least] : control.limits) {
    auto at = wanted.command_line.find(name);
    if (at == wanted.command_line.end()) continue;
    if (std::strtoll(at->second.c_str(), nullptr, 10) >= least) continue;
    at->second = std::to_string(least);
    raised.push_back(name);
  }
  return raised;
}

namespace {

/// A number with one of PostgreSQL's units, in the unit `base` of pg_settings ("8kB", "kB", "MB",
/// "ms", "s", "min").
std::optional<double> in_unit(std::string_view text, std::string_view base) {
  const std::string copy(text);
  char* end = nullptr;
  const double number = std::strtod(copy.c_str(), &end);
  if (end == copy.c_str()) return std::nullopt;
  while (*end == ' ') ++end;
  std::string_view unit = end;
  while (!unit.empty() && unit.back() == ' ') unit.remove_suffix(1);
  if (unit.empty()) return number;
  struct Unit {
    std::string_view name;
    double factor;
    bool memory;
  };
  static constexpr std::array kUnits{
      Unit{"B", 1, true},           Unit{"kB", 1024, true},          Unit{"MB", 1048576, true},
      Unit{"GB", 1073741824, true}, Unit{"TB", 1099511627776, true}, Unit{"us", 1, false},
      Unit{"ms", 1e3, false},       Unit{"s", 1e6, false},           Unit{"min", 6e7, false},
      Unit{"h", 3.6e9, false},      Unit{"d", 8.64e10, false}};
  auto find = [](std::string_view name) {
    return std::find_if(kUnits.begin(), kUnits.end(),
                        [&](const Unit& u) { return u.name == name; });
  };
  double blocks = 1;
  auto digits = base.find_first_not_of("0123456789");
  if (digits != std::string_view::npos && digits > 0)
    blocks = std::strtod(std::string(base).c_str(), nullptr);
  auto from = find(unit), to = find(base.substr(std::min(digits, base.size())));
  if (from == kUnits.end() || to == kUnits.end() || from->memory != to->memory) return std::nullopt;
  return number * from->factor / (to->factor * blocks);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return out;
}

}  // namespace

bool same_setting(const RunningSetting& running, std::string_view wanted) {
  if (running.setting == wanted) return true;
  if (running.type == "bool") {
    auto a = model::read_bool(model::Value(running.setting)),
         b = model::read_bool(model::Value(wanted));
    return a && b && *a == *b;
  }
  if (running.type == "integer" || running.type == "real") {
    auto a = in_unit(running.setting, running.unit), b = in_unit(wanted, running.unit);
    if (!a || !b) return false;
    return running.type == "integer" ? std::llround(*a) == std::llround(*b)
                                     : std::abs(*a - *b) < 1e-9;
  }
  if (running.type == "enum") {
    auto a = lower(running.setting), b = lower(wanted);
    if (a == b) return true;
    auto fa = model::read_bool(model::Value(a)), fb = model::read_bool(model::Value(b));
    return fa && fb && *fa == *fb;
  }
  return false;
}

model::Value pending_restart_reason(const std::vector<RunningSetting>& running,
                                    const WantedSettings& wanted) {
  model::Value out;
  for (const auto& r : running) {
    // Where a restore once ended: of no interest to a server that runs.
    if (r.name.starts_with("recovery_target")) continue;
    auto owned = wanted.command_line.find(r.name);
    auto user = wanted.file.find(r.name);
    const std::string* value = owned != wanted.command_line.end() ? &owned->second
                               : user != wanted.file.end()        ? &user->second
                                                                  : nullptr;
    // Also what the files no longer say, or another file says: then the server knows better.
    if (!value && !r.later.empty()) value = &r.later;
    if (!value || same_setting(r, *value)) continue;
    model::Value change;
    change.set("old_value", r.shown);
    change.set("new_value", *value);
    out.set(r.name, std::move(change));
  }
  return out;
}

}  // namespace aurum::pg
