#include "cli/generate_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "model/config_schema.h"
#include "model/config_sources.h"

namespace aurum::cli {

namespace {

using model::Value;

constexpr auto kSections =
    std::to_array<std::string_view>({"scope", "namespace", "name", "log", "restapi", "ctl", "etcd3",
                                     "etcd", "bootstrap", "postgresql", "watchdog", "tags"});

/// Settings of one node, which must not be shared through the store.
constexpr auto kLocal = std::to_array<std::string_view>(
    {"archive_command", "restore_command", "archive_cleanup_command", "recovery_end_command",
     "ssl_passphrase_command", "hba_file", "ident_file"});

/// Settings that the agent makes from other keys, or from what the node is at the moment.
constexpr auto kMade = std::to_array<std::string_view>(
    {"listen_addresses", "port", "cluster_name", "data_directory", "config_file", "hot_standby",
     "primary_conninfo", "primary_slot_name", "promote_trigger_file", "trigger_file",
     "external_pid_file"});

template <class List>
bool among(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

bool is_made(std::string_view name) {
  return among(kMade, name) || name.starts_with("recovery_target") || name.starts_with("aurum.");
}

Value login(const char* user) { return Value::Object{{"username", user}, {"password", kFixme}}; }

Value sample_bootstrap() {
  return Value::Object{
      {"dcs", Value::Object{{"ttl", 30},
                            {"loop_wait", 10},
                            {"retry_timeout", 10},
                            {"maximum_lag_on_failover", 1048576},
                            {"postgresql", Value::Object{{"use_pg_rewind", true},
                                                         {"use_slots", true},
                                                         {"parameters", Value::object()}}}}},
      {"initdb", Value::Array{Value::Object{{"encoding", "UTF8"}}, "data-checksums"}},
  };
}

/// Everybody who knows a password may come, from anywhere: the agent's members and the user's
/// clients. That is what Debian's own sample says, with SCRAM.
Value sample_hba() {
  return Value::Array{"host all all all scram-sha-256", "host replication all all scram-sha-256"};
}

Value template_of(const ThisHost& host) {
  const std::string address = host.address.empty() ? kFixme : host.address;
  const std::string rest = address + ":8008", postgres = address + ":5432";
  Value tree = Value::object();
  tree.set("scope", kFixme);
  tree.set("name", host.name.empty() ? kFixme : host.name);
  tree.set("log", Value::Object{{"type", "plain"}, {"level", "INFO"}});
  tree.set("restapi", Value::Object{{"listen", rest}, {"connect_address", rest}});
  tree.set("bootstrap", sample_bootstrap());
  tree.set("postgresql",
           Value::Object{{"listen", postgres},
                         {"connect_address", postgres},
                         {"data_dir", kFixme},
                         {"bin_dir", host.bin_dir.empty() ? kFixme : host.bin_dir},
                         {"authentication", Value::Object{{"superuser", login("postgres")},
                                                          {"replication", login("replicator")},
                                                          {"rewind", login("rewind_user")}}}});
  tree.set("tags", Value::Object{{"failover_priority", 1},
                                 {"sync_priority", 1},
                                 {"noloadbalance", false},
                                 {"clonefrom", true}});
  return tree;
}

void overlay_env(Generated& made, const model::Environment& env) {
  model::Findings findings(made.findings, "the environment");
  model::overlay_environment(made.tree, env, findings);
  model::refuse_unsupported(made.tree, findings);
  if (!made.tree.find("etcd3") && !made.tree.find("etcd"))
    made.tree.set("etcd3", Value::Object{{"hosts", kFixme}});
}

/// Known sections in the order in which people read them.
void put_in_order(Value& tree) {
  Value ordered = Value::object();
  for (const auto section : kSections)
    if (const Value* value = tree.find(section)) ordered.set(section, *value);
  for (const auto& [name, value] : tree.as_object())
    if (!among(kSections, name)) ordered.set(name, value);
  tree = std::move(ordered);
}

Value setting_value(const RunningServer::Setting& setting) {
  const char* const end = setting.value.data() + setting.value.size();
  const auto number = [&]<class T>(T into) -> Value {
    const auto [stop, error] = std::from_chars(setting.value.data(), end, into);
    return error == std::errc() && stop == end ? Value(into) : Value(setting.value);
  };
  if (setting.type == "integer") return number(std::int64_t{0});
  if (setting.type == "real") return number(0.0);
  return setting.value;
}

Value list_of(const std::vector<std::string>& lines) {
  Value list = Value::array();
  for (const auto& line : lines) list.push_back(line);
  return list;
}

void describe_login(Value& tree, const RunningServer& server) {
  Value superuser = Value::Object{{"username", server.username},
                                  {"password", server.password.empty() ? kFixme : server.password}};
  for (const auto& [name, value] : server.options) superuser.set(name, value);
  model::set_at(tree, "postgresql.authentication.superuser", std::move(superuser));
}

void describe_settings(Value& tree, const RunningServer& server) {
  Value shared = Value::object(), local = Value::object();
  for (const auto& setting : server.settings) {
    if (is_made(setting.name)) continue;
    (among(kLocal, setting.name) ? local : shared).set(setting.name, setting_value(setting));
  }
  model::set_at(tree, "bootstrap.dcs.postgresql.parameters", std::move(shared));
  if (!local.empty()) model::set_at(tree, "postgresql.parameters", std::move(local));
}

/// What the server says goes before the environment; what it does not say leaves that as it is.
void set_known(Value& tree, std::string_view path, std::string value) {
  if (!value.empty()) model::set_at(tree, path, Value(std::move(value)));
}

}  // namespace

std::vector<std::string> meaningful_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const auto end = text.find('\n');
    line += text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.pop_back();
    if (line.ends_with('\\')) {
      line.pop_back();
      continue;
    }
    const auto begin = line.find_first_not_of(" \t");
    if (begin != std::string::npos && line[begin] != '#')
      lines.push_back(line.substr(begin, line.find_last_not_of(" \t") - begin + 1));
    line.clear();
  }
  return lines;
}

Generated sample_config(const ThisHost& host, const model::Environment& env) {
  Generated made{template_of(host), {}};
  model::set_at(made.tree, "bootstrap.pg_hba", sample_hba());
  model::set_at(made.tree, "postgresql.pg_hba", sample_hba());
  overlay_env(made, env);
  put_in_order(made.tree);
  return made;
}

Generated running_config(const ThisHost& host, const model::Environment& env,
                         const RunningServer& server) {
  Generated made = sample_config(host, env);
  Value& tree = made.tree;
  set_known(tree, "scope", server.cluster_name);
  set_known(tree, "postgresql.data_dir", server.data_dir);
  set_known(tree, "postgresql.bin_dir", server.bin_dir);
  if (!server.port.empty()) {
    const std::string address = host.address.empty() ? kFixme : host.address;
    // A server on its socket alone would have no replicas.
    const std::string hosts = server.listen_addresses.empty() ? address : server.listen_addresses;
    set_known(tree, "postgresql.listen", fmt::format("{}:{}", hosts, server.port));
    if (!env.contains("PATRONI_POSTGRESQL_CONNECT_ADDRESS"))
      set_known(tree, "postgresql.connect_address", fmt::format("{}:{}", address, server.port));
  }
  const auto config_dir = std::filesystem::path(server.config_file).parent_path();
  if (!config_dir.empty() && config_dir != std::filesystem::path(server.data_dir))
    set_known(tree, "postgresql.config_dir", config_dir.string());
  describe_login(tree, server);
  describe_settings(tree, server);
  const auto hba = meaningful_lines(server.hba_text);
  if (!hba.empty()) {
    model::set_at(tree, "postgresql.pg_hba", list_of(hba));
    model::set_at(tree, "bootstrap.pg_hba", list_of(hba));
  }
  const auto ident = meaningful_lines(server.ident_text);
  if (!ident.empty()) model::set_at(tree, "postgresql.pg_ident", list_of(ident));
  return made;
}

std::string config_text(const Value& tree) {
  std::string out;
  for (const auto& [name, value] : tree.as_object()) {
    if (value.is_object() && !out.empty()) out += "\n";
    out += model::to_yaml(Value::Object{{name, value}});
  }
  return out;
}

}  // namespace aurum::cli
