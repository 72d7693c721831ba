#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "model/config_schema.h"
#include "model/config_sources.h"

namespace aurum::model {
namespace {

constexpr std::int64_t kMinTtl = 2, kShortTtl = 20, kMaxSeconds = 10'000'000;

/// Minima, then the rule that the lease outlives one loop with two tries at the store (§3.1). Below
/// a ttl of 3 the minima leave no room for the rule.
void adjust_timeouts(const Value& tree, DynamicConfig& config, Findings& findings) {
  const DynamicConfig wanted = config;
  const auto clamp = [](std::int64_t value, std::int64_t min) {
    return std::clamp(value, min, kMaxSeconds);
  };
  config.ttl_s = clamp(config.ttl_s, kMinTtl);
  config.loop_wait_s = clamp(config.loop_wait_s, 1);
  const std::int64_t min_retry = config.ttl_s < kShortTtl ? 1 : 3;
  config.retry_timeout_s = clamp(config.retry_timeout_s, min_retry);
  if (config.loop_wait_s + 2 * config.retry_timeout_s > config.ttl_s) {
    config.loop_wait_s = config.ttl_s - 2 * config.retry_timeout_s;
    if (config.loop_wait_s < 1) {
      config.loop_wait_s = 1;
      config.retry_timeout_s = std::max((config.ttl_s - 1) / 2, min_retry);
    }
  }
  // A default that gives way to the user's ttl is nothing to warn of.
  const auto report = [&](std::string_view key, std::int64_t before, std::int64_t after) {
    if (before != after && value_at(tree, key) != nullptr)
      findings.warning(key, fmt::format("{} is adjusted to {}", before, after),
                       "Keep loop_wait + 2 * retry_timeout <= ttl.");
  };
  report("ttl", wanted.ttl_s, config.ttl_s);
  report("loop_wait", wanted.loop_wait_s, config.loop_wait_s);
  report("retry_timeout", wanted.retry_timeout_s, config.retry_timeout_s);
}

bool valid_slot_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

void read_slot(const std::string& name, const Value& value, DynamicConfig& config,
               Findings& findings) {
  const Reader reader(value);
  SlotConfig slot;
  slot.name = name;
  const std::string type = reader.text("type", "physical");
  slot.logical = type == "logical";
  slot.database = reader.text("database");
  slot.plugin = reader.text("plugin");
  slot.cluster_type = reader.text("cluster_type");
  const std::string path = "slots." + name;
  const bool plain =
      value.is_object() || value.empty() || read_int(value) == 0 || read_bool(value) == false;
  if (!valid_slot_name(name))
    findings.warning(path, "is no slot name; ignored",
                     "Use lower-case letters, digits and underscores, 63 at most.");
  else if (!plain || (type != "physical" && type != "logical"))
    findings.warning(path, "is no description of a slot; ignored",
                     "Give a map with type: physical or type: logical.");
  else if (slot.logical && (slot.database.empty() || slot.plugin.empty()))
    findings.warning(path, "is a logical slot without database or plugin; ignored",
                     "Set both database and plugin.");
  else if (!slot.cluster_type.empty() && slot.cluster_type != "primary" &&
           slot.cluster_type != "standby")
    findings.warning(path + ".cluster_type", "must be primary or standby; the slot is ignored", "");
  else
    config.slots.push_back(std::move(slot));
}

std::optional<StandbyCluster> read_standby_cluster(const Reader& reader) {
  StandbyCluster standby;
  standby.host = reader.text("standby_cluster.host");
  standby.port = reader.text("standby_cluster.port");
  standby.restore_command = reader.text("standby_cluster.restore_command");
  if (standby.host.empty() && standby.port.empty() && standby.restore_command.empty())
    return std::nullopt;
  standby.primary_slot_name = reader.text("standby_cluster.primary_slot_name");
  standby.archive_cleanup_command = reader.text("standby_cluster.archive_cleanup_command");
  standby.recovery_min_apply_delay = reader.text("standby_cluster.recovery_min_apply_delay");
  standby.create_replica_methods =
      text_items(reader.value("standby_cluster.create_replica_methods"));
  return standby;
}

SyncMode read_sync_mode(const Value* value, Findings& findings) {
  if (value == nullptr) return SyncMode::off;
  if (value->is_string() && (value->as_string() == "quorum" || value->as_string() == "Quorum"))
    return SyncMode::quorum;
  if (const auto on = read_bool(*value)) return *on ? SyncMode::on : SyncMode::off;
  findings.warning("synchronous_mode",
                   fmt::format("\"{}\" is neither on, off nor quorum; it counts as off",
                               value->text().substr(0, 40)));
  return SyncMode::off;
}

/// A key or, if it is absent, the name it had before.
std::string_view present(const Reader& reader, std::string_view key, std::string_view old_key) {
  return reader.find(key) == nullptr && reader.find(old_key) != nullptr ? old_key : key;
}

void read_booleans(const Reader& reader, DynamicConfig& config) {
  config.check_timeline = reader.boolean("check_timeline", false);
  config.synchronous_mode_strict = reader.boolean("synchronous_mode_strict", false);
  config.failsafe_mode = reader.boolean("failsafe_mode", false);
  config.pause = reader.boolean("pause", false);
  config.use_pg_rewind = reader.boolean("postgresql.use_pg_rewind", false);
  config.use_slots = reader.boolean("postgresql.use_slots", true);
  config.remove_data_directory_on_rewind_failure =
      reader.boolean("postgresql.remove_data_directory_on_rewind_failure", false);
  config.remove_data_directory_on_diverged_timelines =
      reader.boolean("postgresql.remove_data_directory_on_diverged_timelines", false);
}

void read_numbers(const Reader& reader, DynamicConfig& config) {
  config.ttl_s = reader.seconds("ttl", config.ttl_s);
  config.loop_wait_s = reader.seconds("loop_wait", config.loop_wait_s);
  config.retry_timeout_s = reader.seconds("retry_timeout", config.retry_timeout_s);
  config.maximum_lag_on_failover = std::max<std::int64_t>(
      reader.bytes("maximum_lag_on_failover", config.maximum_lag_on_failover), 0);
  config.maximum_lag_on_syncnode =
      reader.bytes("maximum_lag_on_syncnode", config.maximum_lag_on_syncnode);
  config.max_timelines_history =
      std::max<std::int64_t>(reader.integer("max_timelines_history", 0), 0);
  const auto start = present(reader, "primary_start_timeout", "master_start_timeout");
  const auto stop = present(reader, "primary_stop_timeout", "master_stop_timeout");
  const Value* start_value = reader.find(start);
  config.primary_start_timeout_set = start_value != nullptr && read_duration_ms(*start_value);
  config.primary_start_timeout_s = std::clamp<std::int64_t>(
      reader.seconds(start, config.primary_start_timeout_s), 0, kMaxSeconds);
  config.primary_stop_timeout_s =
      std::clamp<std::int64_t>(reader.seconds(stop, config.primary_stop_timeout_s), 0, kMaxSeconds);
  config.synchronous_node_count = static_cast<int>(
      std::clamp<std::int64_t>(reader.integer("synchronous_node_count", 1), 1, 1000));
  config.member_slots_ttl_s = std::clamp<std::int64_t>(
      reader.seconds("member_slots_ttl", config.member_slots_ttl_s), 0, kMaxSeconds);
}

}  // namespace

DynamicConfig read_dynamic_config(const Value& tree) {
  DynamicConfig config;
  Findings findings(config.findings, "");
  check_types(tree, dynamic_keys(), findings);
  const Reader reader(tree);
  read_numbers(reader, config);
  read_booleans(reader, config);
  adjust_timeouts(tree, config, findings);
  config.synchronous_mode = read_sync_mode(reader.find("synchronous_mode"), findings);

  for (std::string_view key : {"slots", "permanent_slots", "permanent_replication_slots"}) {
    const Value* slots = reader.find(key);
    if (slots == nullptr || !slots->is_object()) continue;
    for (const auto& [name, value] : slots->as_object())
      if (std::ranges::find(config.slots, name, &SlotConfig::name) == config.slots.end())
        read_slot(name, value, config, findings);
  }
  if (Value ignored = reader.value("ignore_slots"); ignored.is_array())
    config.ignore_slots = std::move(ignored);
  config.standby_cluster = read_standby_cluster(reader);
  // Of its replicas nobody is waited for (PATRONI_COMPAT §8.11).
  if (config.standby_cluster) config.synchronous_mode = SyncMode::off;
  if (Value postgresql = reader.value("postgresql"); postgresql.is_object())
    config.postgresql = std::move(postgresql);
  return config;
}

bool operator==(const DynamicConfig& a, const DynamicConfig& b) {
  const auto fields = [](const DynamicConfig& c) {
    return std::tie(c.ttl_s, c.loop_wait_s, c.retry_timeout_s, c.maximum_lag_on_failover,
                    c.maximum_lag_on_syncnode, c.max_timelines_history, c.check_timeline,
                    c.primary_start_timeout_s, c.primary_stop_timeout_s,
                    c.primary_start_timeout_set, c.synchronous_mode, c.synchronous_mode_strict,
                    c.synchronous_node_count, c.failsafe_mode, c.pause, c.member_slots_ttl_s,
                    c.slots, c.ignore_slots, c.standby_cluster, c.use_pg_rewind, c.use_slots,
                    c.remove_data_directory_on_rewind_failure,
                    c.remove_data_directory_on_diverged_timelines, c.postgresql);
  };
  return fields(a) == fields(b);
}

}  // namespace aurum::model
