#include "stack/config.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/random.h"

namespace aurum::stack {

using json = nlohmann::ordered_json;

namespace {

/// Plain YAML only where no reader can take it for something else (a number, a boolean, a time, a
/// mark).
bool plain(const std::string& text) {
  static constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  static constexpr std::string_view kMore = "0123456789_-/.";
  static const std::vector<std::string> kWords = {"y",   "n",    "yes",   "no",  "on",
                                                  "off", "true", "false", "null"};
  if (text.empty() || (kLetters.find(text[0]) == std::string_view::npos && text[0] != '/'))
    return false;
  const auto odd = [](char c) {
    return kLetters.find(c) == std::string_view::npos && kMore.find(c) == std::string_view::npos;
  };
  if (std::any_of(text.begin(), text.end(), odd)) return false;
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(kWords.begin(), kWords.end(), lower) == kWords.end();
}

std::string scalar(const json& value) {
  if (value.is_string() && plain(value.get<std::string>())) return value.get<std::string>();
  return value.dump();  // a JSON string is a YAML double-quoted one
}

void emit(const json& value, std::size_t indent, std::string& out) {
  const std::string pad(indent, ' ');
  for (auto it = value.begin(); it != value.end(); ++it) {
    const std::string head = value.is_array() ? "-" : scalar(json(it.key())) + ":";
    if (!it->is_structured()) {
      out += pad + head + " " + scalar(*it) + "\n";
    } else if (it->empty()) {
      out += pad + head + (it->is_array() ? " []\n" : " {}\n");
    } else if (value.is_array() && it->is_object() && it->size() == 1 &&
               !it->begin()->is_structured()) {
      out += pad + "- " + scalar(json(it->begin().key())) + ": " + scalar(*it->begin()) + "\n";
    } else {
      out += pad + head + "\n";
      emit(*it, indent + 2, out);
    }
  }
}

/// TLS on every link of a node; plain connections are refused by name.
void add_tls(json& doc, const Plan& plan, const NodePlan& node) {
  const auto file = [&](const char* name) { return plan.certificate(node.name, name); };
  doc["restapi"].update({{"certfile", file("rest.crt")},
                         {"keyfile", file("rest.key")},
                         {"cafile", file("ca.crt")},
                         {"verify_client", "optional"}});
  doc["ctl"] = {
      {"cacert", file("ca.crt")}, {"certfile", file("rest.crt")}, {"keyfile", file("rest.key")}};
  doc["etcd3"].update({{"protocol", "https"},
                       {"cacert", file("ca.crt")},
                       {"cert", file("etcd.crt")},
                       {"key", file("etcd.key")}});
  json& postgresql = doc["postgresql"];
  for (auto& login : postgresql["authentication"])
    login.update({{"sslmode", "verify-full"}, {"sslrootcert", file("ca.crt")}});
  postgresql["authentication"]["replication"].update(
      {{"sslcert", file("replication.crt")}, {"sslkey", file("replication.key")}});
  postgresql["parameters"].update({{"ssl", "on"},
                                   {"ssl_cert_file", file("server.crt")},
                                   {"ssl_key_file", file("server.key")},
                                   {"ssl_ca_file", file("ca.crt")}});
  const std::string& network = plan.client_network;
  postgresql["pg_hba"] = json::array(
      {"local all all scram-sha-256", fmt::format("hostnossl all all {} reject", network),
       fmt::format("hostssl replication replicator {} scram-sha-256 clientcert=verify-ca", network),
       fmt::format("hostssl all all {} scram-sha-256", network)});
}

/// A new leader tells the doors before they find out by themselves.
json routing(const Plan& plan, const Secrets& secrets, const NodePlan& node) {
  const DoorPlan& door = *plan.door;
  json doc = {{"haproxy", json::array({fmt::format("{}:{}", door.host, door.runtime)})}};
  if (door.pooler != 0)
    doc.update({{"pgbouncer", json::array({fmt::format("{}:{}", door.host, door.pooler)})},
                {"pgbouncer_password", secrets.pooler}});
  if (plan.tls)
    doc.update({{"ca_file", plan.certificate(node.name, "ca.crt")},
                {"cert_file", plan.certificate(node.name, "rest.crt")},
                {"key_file", plan.certificate(node.name, "rest.key")}});
  return doc;
}

json dynamic_config(const Plan& plan) {
  json dcs = {{"ttl", plan.ttl},
              {"loop_wait", plan.loop_wait},
              {"retry_timeout", plan.retry_timeout},
              {"maximum_lag_on_failover", 1048576}};
  if (plan.failsafe) dcs["failsafe_mode"] = true;
  if (plan.sync == "quorum") {
    dcs["synchronous_mode"] = "quorum";
  } else if (plan.sync != "off") {
    dcs["synchronous_mode"] = true;
    if (plan.sync == "strict") dcs["synchronous_mode_strict"] = true;
  }
  dcs["postgresql"] = {{"use_pg_rewind", true},
                       {"use_slots", true},
                       {"parameters", {{"max_connections", 100}, {"wal_keep_size", "128MB"}}}};
  return dcs;
}

}  // namespace

Result<Secrets> make_secrets() {
  Secrets secrets;
  for (auto* one : {&secrets.superuser, &secrets.replication, &secrets.rewind, &secrets.rest,
                    &secrets.cluster_token, &secrets.pooler}) {
    auto word = runtime::random_word(24);
    if (!word) return fail(word.error());
    *one = std::move(*word);
  }
  return secrets;
}

std::filesystem::path secret_file(const Plan& plan, const NodePlan& node, std::string_view use) {
  return plan.dir / "secrets" / node.name / use;
}

std::string to_json(const Secrets& s) {
  return json{{"superuser", s.superuser}, {"replication", s.replication},     {"rewind", s.rewind},
              {"rest", s.rest},           {"cluster_token", s.cluster_token}, {"pooler", s.pooler}}
             .dump(2) +
         "\n";
}

Result<Secrets> secrets_from_json(std::string_view text) {
  try {
    const json doc = json::parse(text);
    return Secrets{doc.at("superuser"), doc.at("replication"),   doc.at("rewind"),
                   doc.at("rest"),      doc.at("cluster_token"), doc.value("pooler", "")};
  } catch (const json::exception& e) {
    return fail(Code::invalid, e.what());
  }
}

Result<std::string> json_to_yaml(std::string_view text) {
  const json doc = json::parse(text, nullptr, false);
  if (!doc.is_object()) return fail(Code::invalid, "not a JSON object");
  std::string out;
  emit(doc, 0, out);
  return out;
}

Result<std::string> agent_config(const Plan& plan, const Secrets& secrets, std::size_t index,
                                 const Programs& programs) {
  const NodePlan& node = plan.nodes.at(index);
  const std::string rest = fmt::format("{}:{}", node.host, node.rest_port);
  const std::string postgres = fmt::format("{}:{}", node.host, node.postgres_port);
  json hosts = json::array();
  for (const auto& etcd : plan.etcds)
    hosts.push_back(fmt::format("{}:{}", etcd.host, etcd.client_port));
  json hba = json::array({"local all all scram-sha-256"});
  hba.push_back(fmt::format("host all all {} scram-sha-256", plan.client_network));
  hba.push_back(fmt::format("host replication replicator {} scram-sha-256", plan.client_network));

  // Patroni and its tools do not read passwords from files; a stack that began with it keeps them
  // (tests/docs/migrating).
  bool from_files = plan.own_agent();
  for (std::size_t i = 0; i < plan.nodes.size(); ++i)
    from_files = from_files && plan.agent_of(i).empty();
  const auto login = [&](const char* name, const char* use, const std::string& password) {
    if (!from_files) return json{{"username", name}, {"password", password}};
    return json{{"username", name}, {"password_file", secret_file(plan, node, use).string()}};
  };

  json doc;
  doc["scope"] = plan.scope;
  doc["namespace"] = "/service/";
  doc["name"] = node.name;
  doc["log"] = {{"level", "INFO"}};
  doc["restapi"] = {{"listen", rest},
                    {"connect_address", rest},
                    {"authentication", login("aurum", "rest", secrets.rest)}};
  doc["etcd3"] = {{"hosts", hosts}};
  doc["bootstrap"] = {{"dcs", dynamic_config(plan)},
                      {"initdb", json::array({"data-checksums", json{{"encoding", "UTF8"}},
                                              json{{"locale", "C.UTF-8"}}})}};
  doc["postgresql"] = {
      {"listen", postgres},
      {"connect_address", postgres},
      {"data_dir", (plan.dir / "data" / node.name).string()},
      {"bin_dir", programs.postgres_bin_dir},
      {"pgpass", (plan.dir / "run" / (node.name + ".pgpass")).string()},
      {"authentication",
       {{"superuser", login("postgres", "superuser", secrets.superuser)},
        {"replication", login("replicator", "replication", secrets.replication)},
        {"rewind", login("rewinder", "rewind", secrets.rewind)}}},
      // pgBackRest reaches its PostgreSQL by a socket only.
      {"parameters",
       {{"unix_socket_directories", plan.backup ? (plan.dir / "run").string() : std::string()}}},
      {"pg_hba", hba}};
  if (plan.agent_of(index).empty() && !programs.fence_library.empty())
    doc["aurum"] = {{"fence", {{"library", programs.fence_library}}}};
  if (plan.agent_of(index).empty() && plan.backup)
    doc["aurum"]["backup"] = {
        {"stanza", plan.scope},
        {"repositories", json::array({{{"path", (plan.dir / "backups").string()}}})}};
  if (plan.agent_of(index).empty() && plan.door)
    doc["aurum"]["routing"] = routing(plan, secrets, node);
  if (plan.tls) add_tls(doc, plan, node);
  if (!plan.overrides.empty()) doc.merge_patch(json::parse(plan.overrides, nullptr, false));
  // Also what an override says: another agent does not know the section.
  if (!plan.agent_of(index).empty()) doc.erase("aurum");
  return "# Written by `aurum stack`; `up` writes it anew.\n" + json_to_yaml(doc.dump()).value();
}

std::vector<std::string> etcd_arguments(const Plan& plan, const Secrets& secrets,
                                        std::size_t index) {
  const EtcdPlan& me = plan.etcds.at(index);
  auto url = [&plan](const std::string& host, std::uint16_t port) {
    return fmt::format("{}://{}:{}", plan.tls ? "https" : "http", host, port);
  };
  std::string cluster;
  for (const auto& etcd : plan.etcds) {
    cluster += fmt::format("{}{}={}", cluster.empty() ? "" : ",", etcd.name,
                           url(etcd.host, etcd.peer_port));
  }
  const std::string client = url(me.host, me.client_port);
  const std::string peer = url(me.host, me.peer_port);
  std::vector<std::string> arguments = {"--name",
                                        me.name,
                                        "--data-dir",
                                        (plan.dir / "etcd" / me.name).string(),
                                        "--listen-client-urls",
                                        client,
                                        "--advertise-client-urls",
                                        client,
                                        "--listen-peer-urls",
                                        peer,
                                        "--initial-advertise-peer-urls",
                                        peer,
                                        "--initial-cluster",
                                        cluster,
                                        "--initial-cluster-token",
                                        secrets.cluster_token,
                                        "--initial-cluster-state",
                                        "new",
                                        "--auto-compaction-mode",
                                        "periodic",
                                        "--auto-compaction-retention",
                                        "1h",
                                        "--logger",
                                        "zap",
                                        "--log-level",
                                        "warn"};
  const auto file = [&](const char* name) { return plan.certificate(me.name, name); };
  if (plan.tls)
    arguments.insert(arguments.end(),
                     {"--cert-file", file("server.crt"), "--key-file", file("server.key"),
                      "--trusted-ca-file", file("ca.crt"), "--client-cert-auth", "--peer-cert-file",
                      file("peer.crt"), "--peer-key-file", file("peer.key"),
                      "--peer-trusted-ca-file", file("ca.crt"), "--peer-client-cert-auth"});
  return arguments;
}

std::string password_file(const Plan& plan, const Secrets& secrets) {
  std::string text;
  for (const auto& node : plan.nodes) {
    text += fmt::format("{}:{}:*:postgres:{}\n", node.host, node.postgres_port, secrets.superuser);
    text +=
        fmt::format("{}:{}:*:replicator:{}\n", node.host, node.postgres_port, secrets.replication);
  }
  if (plan.door)
    for (const auto port : {plan.door->read_write, plan.door->read_only, plan.door->pooler})
      if (port != 0)
        text += fmt::format("{}:{}:*:postgres:{}\n", plan.door->host, port, secrets.superuser);
  return text;
}

namespace {
const char* attributes(Access access) {
  switch (access) {
    case Access::read_write:
      return "target_session_attrs=read-write";
    case Access::read_only:
      return "target_session_attrs=prefer-standby";
    case Access::any:
      return "";
  }
  return "";
}
}  // namespace

std::string connection_string(const Plan& plan, Access access) {
  std::string hosts;
  for (const auto& node : plan.nodes) {
    hosts += fmt::format("{}{}:{}", hosts.empty() ? "" : ",", node.host, node.postgres_port);
  }
  std::string options = attributes(access);
  if (plan.tls)
    options += fmt::format("{}sslmode=verify-full&sslrootcert={}", options.empty() ? "" : "&",
                           plan.certificate(plan.nodes[0].name, "ca.crt"));
  return fmt::format("postgresql://postgres@{}/postgres{}{}", hosts, options.empty() ? "" : "?",
                     options);
}

std::string tls_pairs(const Plan& plan) {
  if (!plan.tls) return {};
  return "sslmode=verify-full sslrootcert=" + plan.certificate(plan.nodes[0].name, "ca.crt");
}

std::string connection_pairs(const Plan& plan, Access access, std::string_view indent) {
  std::string hosts, ports;
  for (const auto& node : plan.nodes) {
    hosts += (hosts.empty() ? "" : ",") + node.host;
    ports += fmt::format("{}{}", ports.empty() ? "" : ",", node.postgres_port);
  }
  std::string text =
      fmt::format("host={} port={}\n{}user=postgres dbname=postgres", hosts, ports, indent);
  if (access != Access::any) text += fmt::format(" {}", attributes(access));
  if (plan.tls) text += fmt::format("\n{}{}", indent, tls_pairs(plan));
  return text;
}

}  // namespace aurum::stack
