#include "stack/plan.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace aurum::stack {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

namespace {
constexpr std::size_t kLongestDoorDir = 76;
}  // namespace

fs::path default_dir() {
  if (const char* dir = std::getenv("AURUM_STACK_DIR"); dir != nullptr && *dir != '\0') {
    return fs::absolute(dir);
  }
  if (::geteuid() == 0) return "/var/lib/aurum-stack";
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data == '/') {
    return fs::path(data) / "aurum-stack";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : "/tmp") / ".local/share/aurum-stack";
}

DoorPlan default_door(int port_base) {
  if (port_base == 0)
    return {
        .read_write = 5000, .read_only = 5001, .statistics = 8404, .runtime = 9999, .pooler = 6432};
  const auto port = [port_base](int n) { return static_cast<std::uint16_t>(port_base + n); };
  return {.read_write = port(30),
          .read_only = port(31),
          .statistics = port(32),
          .runtime = port(33),
          .pooler = port(34)};
}

Result<Plan> default_plan(fs::path dir, int nodes, int port_base) {
  if (nodes < 1 || nodes > 7) {
    return fail(Code::invalid, fmt::format("{} nodes: a stack has 1 to 7", nodes));
  }
  if (port_base != 0 && (port_base < 1024 || port_base > 65000)) {
    return fail(Code::invalid,
                fmt::format("port base {}: it must be between 1024 and 65000", port_base));
  }
  Plan plan;
  plan.dir = std::move(dir);
  // The scope also names the guard's folder on tmpfs, so two stacks of one account must differ in
  // it.
  if (port_base > 0) plan.scope = fmt::format("aurum-{}", port_base);
  const int postgres = port_base > 0 ? port_base : 5432;
  const int rest = port_base > 0 ? port_base + 10 : 8008;
  const int etcd = port_base > 0 ? port_base + 20 : 2379;
  auto port = [](int n) { return static_cast<std::uint16_t>(n); };
  for (int i = 0; i < nodes; ++i) {
    plan.nodes.push_back(
        {fmt::format("node-{}", i + 1), "127.0.0.1", port(postgres + i), port(rest + i), {}});
  }
  for (int i = 0; i < 3; ++i) {
    plan.etcds.push_back({fmt::format("etcd-{}", i + 1),
                          "127.0.0.1",
                          port(etcd + 2 * i),
                          port(etcd + 2 * i + 1),
                          {}});
  }
  return plan;
}

Result<Plan> free_port_plan(fs::path dir, int nodes, int etcds) {
  Plan plan;
  plan.dir = std::move(dir);
  auto ports = free_ports(static_cast<std::size_t>(2 * nodes + 2 * etcds));
  if (!ports) return fail(ports.error());
  auto next = ports->begin();
  plan.scope = fmt::format("aurum-{}-{}", ::getpid(), *next);  // see default_plan
  for (int i = 0; i < nodes; ++i) {
    NodePlan node{fmt::format("node-{}", i + 1), "127.0.0.1", 0, 0, {}};
    node.postgres_port = *next++;
    node.rest_port = *next++;
    plan.nodes.push_back(std::move(node));
  }
  for (int i = 0; i < etcds; ++i) {
    EtcdPlan etcd{fmt::format("etcd-{}", i + 1), "127.0.0.1", 0, 0, {}};
    etcd.client_port = *next++;
    etcd.peer_port = *next++;
    plan.etcds.push_back(std::move(etcd));
  }
  return plan;
}

void set_ttl(Plan& plan, int ttl_s) {
  plan.ttl = ttl_s;
  plan.loop_wait = ttl_s >= 30 ? 10 : 1;
  plan.retry_timeout = ttl_s >= 30 ? 10 : std::clamp((ttl_s - 1) / 2, 1, 3);
}

Status check(const Plan& plan) {
  if (plan.nodes.empty() || plan.etcds.empty()) {
    return fail(Code::invalid, "a stack needs at least one node and one etcd member");
  }
  if (plan.ttl < 2) return fail(Code::invalid, fmt::format("ttl {}: at least 2 seconds", plan.ttl));
  static const std::set<std::string> kModes = {"off", "on", "strict", "quorum"};
  if (!kModes.contains(plan.sync)) {
    return fail(Code::invalid,
                fmt::format("sync mode \"{}\" is none of off, on, strict, quorum", plan.sync));
  }
  std::set<std::pair<std::string, std::uint16_t>> seen;
  auto once = [&](const std::string& host, std::uint16_t port) {
    return port != 0 && seen.emplace(host, port).second;
  };
  for (const auto& node : plan.nodes) {
    if (!once(node.host, node.postgres_port) || !once(node.host, node.rest_port)) {
      return fail(Code::invalid, fmt::format("{}: a port is 0 or used twice", node.name));
    }
  }
  for (const auto& etcd : plan.etcds) {
    if (!once(etcd.host, etcd.client_port) || !once(etcd.host, etcd.peer_port)) {
      return fail(Code::invalid, fmt::format("{}: a port is 0 or used twice", etcd.name));
    }
  }
  if (plan.door) {
    const auto& door = *plan.door;
    for (const auto port : {door.read_write, door.read_only, door.statistics, door.runtime})
      if (!once(door.host, port)) return fail(Code::invalid, "haproxy: a port is 0 or used twice");
    if (door.pooler != 0 && !once(door.host, door.pooler))
      return fail(Code::invalid, "pgbouncer: its port is used twice");
    // A socket's name has 107 bytes (unix(7)), and HAProxy puts its pid behind while it makes one.
    if (plan.dir.native().size() > kLongestDoorDir)
      return fail(Code::invalid,
                  fmt::format("{} is too long a name for HAProxy's socket in it: {} bytes of {}",
                              plan.dir.string(), plan.dir.native().size(), kLongestDoorDir),
                  "Name another folder with --dir or AURUM_STACK_DIR.");
  }
  if (!plan.overrides.empty() && !json::parse(plan.overrides, nullptr, false).is_object()) {
    return fail(Code::invalid, "the overrides of the agents' configuration are not a JSON object");
  }
  return {};
}

std::vector<std::string> agent_words(const std::string& command) {
  std::istringstream in(command);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  if (words == std::vector<std::string>{"aurum"}) words.clear();
  return words;
}

Status set_profile(Plan& plan, const std::string& profile) {
  if (!plan.own_agent())
    return fail(Code::invalid, fmt::format("{} has no profiles", plan.agent[0]),
                "Leave out --profile: it is of aurum's own agent.");
  if (profile != "fast" && profile != "default" && profile != "patroni")
    return fail(Code::invalid, fmt::format("there is no profile \"{}\"", profile),
                "fast, default or patroni");
  json overrides = plan.overrides.empty() ? json::object() : json::parse(plan.overrides);
  overrides["aurum"]["profile"] = profile;
  plan.overrides = overrides.dump();
  return {};
}

Status set_agent(Plan& plan, const std::string& name) {
  constexpr std::string_view ours = "aurum@", untouched = "@default";
  const bool as_shipped = name.ends_with(untouched) && !name.starts_with(ours);
  plan.agent = agent_words(name.starts_with(ours) ? "aurum"
                           : as_shipped           ? name.substr(0, name.size() - untouched.size())
                                                  : name);
  // Heartbeats tell sooner than the shortest lease would.
  set_ttl(plan, name.starts_with(ours) || as_shipped ? 30 : plan.own_agent() ? 5 : 20);
  if (!name.starts_with(ours)) return {};
  auto set = set_profile(plan, name.substr(ours.size()));
  return set ? set : fail(set.error().within(name));
}

std::string to_json(const Plan& plan) {
  json doc = {{"aurum_stack", 1},
              {"scope", plan.scope},
              {"agent", plan.agent},
              {"ttl", plan.ttl},
              {"loop_wait", plan.loop_wait},
              {"retry_timeout", plan.retry_timeout},
              {"sync", plan.sync},
              {"failsafe", plan.failsafe},
              {"postgres_bin_dir", plan.postgres_bin_dir},
              {"etcd_bin_dir", plan.etcd_bin_dir},
              {"client_network", plan.client_network},
              {"overrides", plan.overrides},
              {"tls", plan.tls},
              {"backup", plan.backup}};
  if (plan.door)
    doc["door"] = {{"host", plan.door->host},           {"read_write", plan.door->read_write},
                   {"read_only", plan.door->read_only}, {"statistics", plan.door->statistics},
                   {"runtime", plan.door->runtime},     {"pooler", plan.door->pooler}};
  for (const auto& n : plan.nodes) {
    doc["nodes"].push_back({{"name", n.name},
                            {"host", n.host},
                            {"postgres_port", n.postgres_port},
                            {"rest_port", n.rest_port},
                            {"network_namespace", n.network_namespace}});
    if (n.agent) doc["nodes"].back()["agent"] = *n.agent;
  }
  for (const auto& e : plan.etcds) {
    doc["etcds"].push_back({{"name", e.name},
                            {"host", e.host},
                            {"client_port", e.client_port},
                            {"peer_port", e.peer_port},
                            {"network_namespace", e.network_namespace}});
  }
  return doc.dump(2) + "\n";
}

Result<Plan> plan_from_json(std::string_view text, fs::path dir) {
  try {
    const json doc = json::parse(text);
    if (doc.at("aurum_stack") != 1)
      return fail(Code::invalid, "a stack of another version of aurum");
    Plan plan;
    plan.dir = std::move(dir);
    plan.scope = doc.at("scope");
    plan.agent = doc.at("agent").get<std::vector<std::string>>();
    plan.ttl = doc.at("ttl");
    plan.loop_wait = doc.at("loop_wait");
    plan.retry_timeout = doc.at("retry_timeout");
    plan.sync = doc.at("sync");
    plan.postgres_bin_dir = doc.at("postgres_bin_dir");
    plan.etcd_bin_dir = doc.at("etcd_bin_dir");
    plan.client_network = doc.at("client_network");
    plan.overrides = doc.at("overrides");
    plan.failsafe = doc.value("failsafe", false);
    plan.tls = doc.value("tls", false);
    plan.backup = doc.value("backup", false);
    if (const auto door = doc.find("door"); door != doc.end())
      plan.door = DoorPlan{.host = door->at("host"),
                           .read_write = door->at("read_write"),
                           .read_only = door->at("read_only"),
                           .statistics = door->at("statistics"),
                           .runtime = door->at("runtime"),
                           .pooler = door->at("pooler")};
    for (const auto& n : doc.at("nodes")) {
      plan.nodes.push_back({.name = n.at("name"),
                            .host = n.at("host"),
                            .postgres_port = n.at("postgres_port"),
                            .rest_port = n.at("rest_port"),
                            .network_namespace = n.at("network_namespace")});
      if (n.contains("agent"))
        plan.nodes.back().agent = n.at("agent").get<std::vector<std::string>>();
    }
    for (const auto& e : doc.at("etcds")) {
      plan.etcds.push_back({e.at("name"), e.at("host"), e.at("client_port"), e.at("peer_port"),
                            e.at("network_namespace")});
    }
    auto good = check(plan);
    if (!good) return fail(good.error());
    return plan;
  } catch (const json::exception& e) {
    return fail(Code::invalid, e.what());
  }
}

}  // namespace aurum::stack
