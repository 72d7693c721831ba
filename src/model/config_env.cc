#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "model/config_sources.h"

namespace aurum::model {
namespace {

constexpr std::string_view kPrefix = "PATRONI_";

/// PATRONI_<prefix><NAME> goes to <path><name in lower case>.
struct Group {
  std::string_view prefix, path, names;
};

constexpr std::string_view kLoginNames =
    "USERNAME PASSWORD SSLMODE SSLCERT SSLKEY SSLPASSWORD SSLROOTCERT SSLCRL SSLCRLDIR GSSENCMODE "
    "CHANNEL_BINDING SSLNEGOTIATION";
constexpr std::string_view kEtcdNames =
    "HOST HOSTS URL PROXY SRV SRV_SUFFIX USE_PROXIES PROTOCOL PORT USERNAME PASSWORD CACERT CERT "
    "KEY";

constexpr auto kGroups = std::to_array<Group>({
    {"", "", "NAME NAMESPACE SCOPE THREAD_POOL_SIZE THREAD_STACK_SIZE"},
    {"LOG_", "log.",
     "TYPE LEVEL TRACEBACK_LEVEL FORMAT DATEFORMAT STATIC_FIELDS MAX_QUEUE_SIZE DIR MODE FILE_SIZE "
     "FILE_NUM LOGGERS DEDUPLICATE_HEARTBEAT_LOGS"},
    {"RESTAPI_", "restapi.",
     "LISTEN CONNECT_ADDRESS CERTFILE KEYFILE KEYFILE_PASSWORD CAFILE CIPHERS VERIFY_CLIENT "
     "HTTP_EXTRA_HEADERS HTTPS_EXTRA_HEADERS ALLOWLIST ALLOWLIST_INCLUDE_MEMBERS "
     "REQUEST_QUEUE_SIZE "
     "THREAD_POOL_SIZE SERVER_TOKENS"},
    {"RESTAPI_", "restapi.authentication.", "USERNAME PASSWORD"},
    {"CTL_", "ctl.", "INSECURE CACERT CERTFILE KEYFILE KEYFILE_PASSWORD TOKEN"},
    {"CTL_", "ctl.authentication.", "USERNAME PASSWORD"},
    {"POSTGRESQL_", "postgresql.",
     "LISTEN CONNECT_ADDRESS PROXY_ADDRESS CONFIG_DIR DATA_DIR PGPASS BIN_DIR"},
    {"POSTGRESQL_BIN_", "postgresql.bin_name.",
     "PG_CTL INITDB PG_CONTROLDATA PG_BASEBACKUP POSTGRES PG_ISREADY PG_REWIND"},
    {"REPLICATION_", "postgresql.authentication.replication.", kLoginNames},
    {"SUPERUSER_", "postgresql.authentication.superuser.", kLoginNames},
    {"REWIND_", "postgresql.authentication.rewind.", kLoginNames},
    {"ETCD3_", "etcd3.", kEtcdNames},
    {"ETCD_", "etcd.", kEtcdNames},
});

/// Names of the past.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kOldNames = {{
    {"LOGLEVEL", "log.level"},
    {"LOGFORMAT", "log.format"},
    {"LOG_DATEFMT", "log.dateformat"},
}};

/// Sections which one variable is enough to ask for; each is refused as a whole later.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kUnsupported = {{
    {"CONSUL_", "consul"},
    {"ZOOKEEPER_", "zookeeper"},
    {"EXHIBITOR_", "exhibitor"},
    {"RAFT_", "raft"},
    {"KUBERNETES_", "kubernetes"},
    {"CITUS_", "citus"},
}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// The variable's text in the shape its key wants: lists and maps are YAML, braces and brackets
/// optional.
Value shaped(const std::string& text, Kind kind, const std::string& variable, Findings& findings) {
  if (kind == Kind::map) {
    auto parsed = parse_yaml(text);
    if (!parsed || !parsed->is_object()) parsed = parse_yaml("{" + text + "}");
    if (parsed && parsed->is_object()) return std::move(*parsed);
    findings.error(variable, "is not a YAML map", "Write it as {key: value, key: value}.");
    return {};
  }
  if (kind == Kind::list || kind == Kind::text_list) {
    if (text.starts_with('[') || text.starts_with('-'))
      if (auto parsed = parse_yaml(text); parsed && parsed->is_array()) return std::move(*parsed);
    Value list = Value::array();
    for (auto& item : text_items(Value(text))) list.push_back(std::move(item));
    return list;
  }
  return text;
}

struct Target {
  std::string variable, path;
};

/// Every variable there is, from the tables above and the kinds of their keys.
std::vector<Target> all_targets() {
  std::vector<Target> targets;
  for (const Group& group : kGroups) {
    for (std::string_view names = group.names; !names.empty();) {
      const auto name = names.substr(0, names.find(' '));
      names.remove_prefix(std::min(names.size(), name.size() + 1));
      Target target{fmt::format("{}{}{}", kPrefix, group.prefix, name),
                    std::string(group.path) + lower(name)};
      const Key* key = find_key(local_keys(), target.path);
      if (key != nullptr && key->kind == Kind::secret)
        targets.push_back({target.variable + "_FILE", target.path + "_file"});
      targets.push_back(std::move(target));
    }
  }
  for (const auto& [name, path] : kOldNames)
    targets.push_back({std::string(kPrefix) + std::string(name), std::string(path)});
  return targets;
}

}  // namespace

void overlay_environment(Value& tree, const Environment& env, Findings& findings) {
  const auto targets = all_targets();
  std::vector<std::string_view> known;
  for (const auto& target : targets) known.push_back(target.variable);

  for (const auto& [variable, text] : env) {
    if (!variable.starts_with(kPrefix) || text.empty() || variable == "PATRONI_CONFIGURATION" ||
        variable == "PATRONI_CONFIG_FILE")
      continue;
    const auto target = std::ranges::find(targets, variable, &Target::variable);
    if (target != targets.end()) {
      const Key* key = find_key(local_keys(), target->path);
      set_at(tree, target->path,
             shaped(text, key == nullptr ? Kind::text : key->kind, variable, findings));
      continue;
    }
    const std::string_view rest = std::string_view(variable).substr(kPrefix.size());
    const auto store = std::ranges::find_if(
        kUnsupported, [&](const auto& other) { return rest.starts_with(other.first); });
    if (store != kUnsupported.end())
      set_at(tree, store->second, Value(variable));
    else if (const auto near = nearest(variable, known); !near.empty())
      findings.warning(variable, "is not a known variable and is ignored",
                       fmt::format("Did you mean \"{}\"?", near));
  }
}

}  // namespace aurum::model
