#include <algorithm>

#include <fmt/format.h>

#include "model/cluster.h"
#include "model/config_sources.h"

namespace aurum::model {
namespace {

constexpr int kRestPort = 8008, kPostgresPort = 5432, kEtcdPort = 2379;

void required(const std::string& value, std::string_view path, std::string_view hint,
              Findings& findings) {
  if (value.empty()) findings.error(path, "is not defined", std::string(hint));
}

/// Names become part of keys in the store.
void check_name(const std::string& name, std::string_view path, Findings& findings) {
  if (name.find('/') != std::string::npos)
    findings.error(path, "must not contain \"/\"", "It is a part of a key in etcd.");
}

/// host:port of others; the port is needed when they shall reach us.
void check_address(const std::string& address, std::string_view path, int port,
                   Findings& findings) {
  if (address.empty()) return;
  if (const auto parsed = parse_listen(address, port); !parsed)
    findings.error(path, parsed.error().message, parsed.error().hint);
}

/// A loopback address is fine while all is on one host. Etcd elsewhere says that it is not.
void check_advertised(const LocalConfig& config, Findings& findings) {
  const bool etcd_elsewhere = std::ranges::any_of(config.etcd.hosts, [](const std::string& host) {
    const auto parsed = parse_url_host(host);
    return parsed && !is_wildcard_or_loopback(parsed->host);
  });
  const auto check = [&](const std::string& address, std::string_view path) {
    const auto parsed = parse_listen(address, 1);
    if (!parsed || address.empty()) return;
    const std::string host = parsed->hosts.substr(0, parsed->hosts.find(','));
    if (is_wildcard(host) || (etcd_elsewhere && is_wildcard_or_loopback(host)))
      findings.warning(path, fmt::format("other hosts can not reach \"{}\"", address),
                       "Set it to an address of this host that all members can reach.");
  };
  check(config.rest.connect_address, "restapi.connect_address");
  check(config.pg.connect_address, "postgresql.connect_address");
}

/// What is advertised if connect_address is absent: the first address listened on.
std::string advertised(const std::string& connect_address, const std::string& listen, int port) {
  if (!connect_address.empty() || listen.empty()) return connect_address;
  const auto parsed = parse_listen(listen, port);
  if (!parsed) return listen;
  const std::string host = parsed->hosts.substr(0, parsed->hosts.find(','));
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, parsed->port)
                                             : fmt::format("[{}]:{}", host, parsed->port);
}

void check_listen(const std::string& listen, std::string_view path, int port, Findings& findings) {
  if (listen.empty()) return;
  if (const auto parsed = parse_listen(listen, port); !parsed)
    findings.error(path, parsed.error().message, parsed.error().hint);
}

TlsFiles read_tls(const Reader& reader, const std::string& section, std::string_view ca) {
  TlsFiles tls;
  tls.certfile = reader.text(section + ".certfile");
  tls.keyfile = reader.text(section + ".keyfile");
  tls.keyfile_password = reader.text(section + ".keyfile_password");
  tls.cafile = reader.text(section + "." + std::string(ca));
  tls.ciphers = reader.text(section + ".ciphers");
  return tls;
}

std::vector<std::pair<std::string, std::string>> headers(const Reader& reader,
                                                         std::string_view path) {
  std::vector<std::pair<std::string, std::string>> result;
  if (const Value* map = reader.find(path); map != nullptr && map->is_object())
    for (const auto& [name, value] : map->as_object()) result.emplace_back(name, value.text());
  return result;
}

LogConfig read_log(const Reader& reader, Findings& findings) {
  LogConfig log;
  log.type = word(reader, "log.type", {"plain", "json"}, findings);
  log.level = reader.text("log.level", log.level);
  log.format = reader.text("log.format");
  log.dateformat = reader.text("log.dateformat");
  log.static_fields = reader.value("log.static_fields");
  log.dir = reader.text("log.dir");
  log.file_size = std::max<std::int64_t>(reader.bytes("log.file_size", log.file_size), 0);
  log.file_num = bounded(reader, "log.file_num", log.file_num, 0, 10'000, false, findings);
  return log;
}

RestConfig read_rest(const Reader& reader, ConfigUse use, Findings& findings) {
  RestConfig rest;
  rest.listen = reader.text("restapi.listen");
  rest.connect_address = reader.text("restapi.connect_address");
  rest.username = reader.text("restapi.authentication.username");
  rest.password = reader.text("restapi.authentication.password");
  rest.other_password = reader.text("restapi.authentication.password_other");
  rest.tls = read_tls(reader, "restapi", "cafile");
  rest.verify_client =
      word(reader, "restapi.verify_client", {"none", "optional", "required"}, findings);
  rest.allowlist = text_items(reader.value("restapi.allowlist"));
  rest.allowlist_include_members = reader.boolean("restapi.allowlist_include_members", false);
  rest.http_extra_headers = headers(reader, "restapi.http_extra_headers");
  rest.https_extra_headers = headers(reader, "restapi.https_extra_headers");
  rest.server_tokens =
      word(reader, "restapi.server_tokens", {"original", "minimal", "productonly"}, findings);
  if (use == ConfigUse::ctl) return rest;
  required(rest.listen, "restapi.listen", "Set it to host:port, for example 0.0.0.0:8008.",
           findings);
  check_listen(rest.listen, "restapi.listen", kRestPort, findings);
  rest.connect_address = advertised(rest.connect_address, rest.listen, kRestPort);
  check_address(rest.connect_address, "restapi.connect_address", kRestPort, findings);
  if (rest.username.empty() != rest.password.empty())
    findings.error("restapi.authentication", "needs both username and password");
  if (rest.verify_client != "none" && rest.tls.cafile.empty())
    findings.error("restapi.verify_client", "needs restapi.cafile",
                   "Name the file with the CA of the clients' certificates.");
  return rest;
}

CtlConfig read_ctl(const Reader& reader, Findings& findings) {
  CtlConfig ctl;
  ctl.insecure = reader.boolean("ctl.insecure", false);
  ctl.username = reader.text("ctl.authentication.username");
  ctl.password = reader.text("ctl.authentication.password");
  ctl.token = reader.text("ctl.token");
  if (!ctl.token.empty() && !is_token(ctl.token))
    findings.error("ctl.token", "is no token: 16 to 512 letters of ASCII without a blank",
                   "Take the one that a token_file of the nodes' aurum.access holds.");
  ctl.tls = read_tls(reader, "ctl", "cacert");
  return ctl;
}

/// The endpoints of `section` as host:port; a URL decides on the protocol too.
void read_endpoints(const Reader& reader, const std::string& section, EtcdConfig& etcd,
                    Findings& findings) {
  std::string key = section + ".hosts";
  std::vector<std::string> given = text_items(reader.value(key));
  for (std::string_view other : {"host", "url", "proxy"}) {
    if (!given.empty()) break;
    key = section + "." + std::string(other);
    if (auto text = reader.text(key); !text.empty()) given = {std::move(text)};
    if (!given.empty() && other == "proxy") etcd.use_proxies = true;
  }
  const auto port = reader.integer(section + ".port", kEtcdPort);
  for (const auto& text : given) {
    auto address = parse_url_host(text);
    if (!address) {
      findings.error(key, address.error().message, "Write host:port, for example 10.0.0.1:2379.");
      continue;
    }
    if (text.starts_with("https://")) etcd.protocol = "https";
    if (text.starts_with("http://")) etcd.protocol = "http";
    if (address->port == 0)
      address->port = port > 0 && port < 65536 ? static_cast<int>(port) : kEtcdPort;
    const bool v6 = address->host.find(':') != std::string::npos;
    etcd.hosts.push_back(
        fmt::format("{}{}{}:{}", v6 ? "[" : "", address->host, v6 ? "]" : "", address->port));
  }
}

EtcdConfig read_etcd(const Reader& reader, ConfigUse use, Findings& findings) {
  const bool v3 = reader.find("etcd3") != nullptr;
  const std::string section = v3 ? "etcd3" : "etcd";
  if (!v3 && reader.find("etcd") != nullptr)
    findings.warning("etcd", "is read as etcd3: only version 3 of the protocol is spoken",
                     "Rename the section to etcd3.");
  EtcdConfig etcd;
  etcd.protocol = word(reader, section + ".protocol", {"http", "https"}, findings);
  etcd.use_proxies = reader.boolean(section + ".use_proxies", false);
  read_endpoints(reader, section, etcd, findings);
  for (std::string_view key : {"srv", "discovery_srv", "srv_domain"})
    if (etcd.srv.empty()) etcd.srv = reader.text(section + "." + std::string(key));
  etcd.srv_suffix = reader.text(section + ".srv_suffix");
  etcd.username = reader.text(section + ".username");
  etcd.password = reader.text(section + ".password");
  etcd.cacert = reader.text(section + ".cacert");
  etcd.cert = reader.text(section + ".cert");
  etcd.key = reader.text(section + ".key");
  // A file for another store gets one line, which says that it is not supported.
  const bool other_store = std::ranges::any_of(
      kOtherStores, [&](std::string_view store) { return reader.find(store) != nullptr; });
  if (use == ConfigUse::agent && etcd.hosts.empty() && etcd.srv.empty() && !other_store)
    findings.error("etcd3.hosts", "is not defined",
                   "List the etcd endpoints, for example [10.0.0.1:2379, 10.0.0.2:2379].");
  if (!etcd.key.empty() && etcd.cert.empty())
    findings.error(section + ".key", "needs a certificate", "Set cert in the same section.");
  return etcd;
}

Login read_login(const Reader& reader, const std::string& role) {
  const std::string path = "postgresql.authentication." + role;
  Login login;
  const Value* section = reader.find(path);
  if (section == nullptr || !section->is_object()) return login;
  for (const auto& [name, value] : section->as_object()) {
    if (name == "username")
      login.username = value.text();
    else if (name == "password")
      login.password = value.text();
    else if (name == "password_other")
      login.other_password = value.text();
    else if (const Key* key = find_key(local_keys(), path + "." + name); key && !value.is_null())
      login.options[name] = value.text();
  }
  return login;
}

void read_logins(const Reader& reader, PgConfig& pg, Findings& findings) {
  pg.superuser = read_login(reader, "superuser");
  pg.replication = read_login(reader, "replication");
  pg.rewind = read_login(reader, "rewind");
  if (pg.superuser.username.empty()) pg.superuser.username = "postgres";
  if (pg.replication.username.empty()) {
    findings.warning("postgresql.authentication.replication.username",
                     "is not defined; the superuser is used for replication",
                     "Set a user of its own for replication.");
    pg.replication = pg.superuser;
  }
  if (pg.rewind == Login{}) pg.rewind = pg.superuser;
  if (pg.rewind.username.empty()) pg.rewind.username = pg.superuser.username;
}

std::filesystem::path default_pgpass(const Environment& env, const PgConfig& pg) {
  if (const auto home = env.find("HOME"); home != env.end() && !home->second.empty())
    return std::filesystem::path(home->second) / "pgpass";
  return pg.data_dir.parent_path() / "pgpass";
}

PgConfig read_pg(const Reader& reader, const Environment& env, ConfigUse use, Findings& findings) {
  PgConfig pg;
  pg.listen = reader.text("postgresql.listen");
  pg.connect_address = reader.text("postgresql.connect_address");
  pg.proxy_address = reader.text("postgresql.proxy_address");
  pg.data_dir = reader.text("postgresql.data_dir");
  pg.config_dir = reader.text("postgresql.config_dir", pg.data_dir.string());
  pg.bin_dir = reader.text("postgresql.bin_dir");
  if (const Value* names = reader.find("postgresql.bin_name"); names && names->is_object())
    for (const auto& [name, value] : names->as_object()) pg.bin_name[name] = value.text();
  pg.database = reader.text("postgresql.database", pg.database);
  pg.config_base_name = reader.text("postgresql.config_base_name", pg.config_base_name);
  pg.pgpass = reader.text("postgresql.pgpass", default_pgpass(env, pg).string());
  pg.parameters = reader.value("postgresql.parameters");
  pg.pg_hba = reader.value("postgresql.pg_hba");
  pg.pg_ident = reader.value("postgresql.pg_ident");
  pg.recovery_conf = reader.value("postgresql.recovery_conf");
  pg.custom_conf = reader.text("postgresql.custom_conf");
  pg.callbacks = reader.value("postgresql.callbacks");
  pg.pre_promote = reader.text("postgresql.pre_promote");
  pg.before_stop = reader.text("postgresql.before_stop");
  const bool old_methods = reader.find("postgresql.create_replica_methods") == nullptr;
  pg.create_replica_methods = text_items(reader.value(
      old_methods ? "postgresql.create_replica_method" : "postgresql.create_replica_methods"));
  if (pg.create_replica_methods.empty()) pg.create_replica_methods = {"basebackup"};
  pg.methods = reader.value("postgresql");
  pg.use_unix_socket = reader.boolean("postgresql.use_unix_socket", false);
  pg.use_unix_socket_repl = reader.boolean("postgresql.use_unix_socket_repl", false);
  pg.krbsrvname = reader.text("postgresql.krbsrvname");
  pg.pg_ctl_timeout_s = bounded(reader, "postgresql.pg_ctl_timeout", pg.pg_ctl_timeout_s, 1,
                                10'000'000, true, findings);
  pg.use_pg_rewind = reader.maybe("postgresql.use_pg_rewind");
  pg.remove_data_directory_on_rewind_failure =
      reader.maybe("postgresql.remove_data_directory_on_rewind_failure");
  pg.remove_data_directory_on_diverged_timelines =
      reader.maybe("postgresql.remove_data_directory_on_diverged_timelines");
  if (use == ConfigUse::ctl) {
    pg.superuser = read_login(reader, "superuser");
    return pg;
  }
  read_logins(reader, pg, findings);
  required(pg.listen, "postgresql.listen", "Set it to host:port, for example 0.0.0.0:5432.",
           findings);
  required(pg.data_dir.string(), "postgresql.data_dir", "Set it to the data directory.", findings);
  check_listen(pg.listen, "postgresql.listen", kPostgresPort, findings);
  pg.connect_address = advertised(pg.connect_address, pg.listen, kPostgresPort);
  check_address(pg.connect_address, "postgresql.connect_address", kPostgresPort, findings);
  check_listen(pg.proxy_address, "postgresql.proxy_address", kPostgresPort, findings);
  return pg;
}

/// Long options that would take the cluster out of our hands.
void check_initdb(const Value& initdb, Findings& findings) {
  static constexpr std::string_view forbidden[] = {"pgdata", "nosync", "pwfile", "sync-only",
                                                   "version"};
  const auto check = [&](std::string_view option) {
    if (std::ranges::find(forbidden, option) != std::end(forbidden))
      findings.error("bootstrap.initdb", fmt::format("the option \"{}\" is not allowed", option),
                     "Remove it.");
  };
  const auto check_map = [&](const Value& map) {
    for (const auto& [option, value] : map.as_object()) check(option);
  };
  if (initdb.is_object())
    check_map(initdb);
  else if (initdb.is_array())
    for (const auto& item : initdb.as_array()) {
      if (item.is_object())
        check_map(item);
      else
        check(item.text());
    }
  else if (!initdb.is_null())
    findings.error("bootstrap.initdb", "must be a list or a map of options");
}

BootstrapConfig read_bootstrap(const Reader& reader, Findings& findings) {
  BootstrapConfig bootstrap;
  const Value* section = reader.find("bootstrap");
  bootstrap.present = section != nullptr && section->is_object();
  if (!bootstrap.present) return bootstrap;
  bootstrap.dcs = reader.value("bootstrap.dcs");
  bootstrap.method = reader.text("bootstrap.method", "initdb");
  bootstrap.initdb = reader.value("bootstrap.initdb");
  bootstrap.pg_hba = reader.value("bootstrap.pg_hba");
  bootstrap.post_bootstrap =
      reader.text("bootstrap.post_bootstrap", reader.text("bootstrap.post_init"));
  bootstrap.methods = *section;
  if (reader.find("bootstrap.users") != nullptr)
    findings.warning("bootstrap.users", "is no longer supported and is ignored",
                     "Create users in bootstrap.post_bootstrap.");
  if (bootstrap.method != "initdb" && bootstrap.methods.find(bootstrap.method) == nullptr)
    findings.error("bootstrap.method",
                   fmt::format("there is no section bootstrap.{}", bootstrap.method),
                   "Add it with a command, or use method: initdb.");
  check_initdb(bootstrap.initdb, findings);
  if (bootstrap.dcs.is_object()) {
    // Any other postgresql setting may stand here, below the local one.
    std::vector<std::string> free;
    if (const Value* pg = bootstrap.dcs.find("postgresql"); pg != nullptr && pg->is_object())
      for (const auto& [name, value] : pg->as_object())
        if (const std::string path = "postgresql." + name; !find_key(dynamic_keys(), path))
          free.push_back(path);
    Findings below = findings.below("bootstrap.dcs.");
    check_keys(bootstrap.dcs, dynamic_keys(), free, below);
  }
  return bootstrap;
}

WatchdogConfig read_watchdog(const Reader& reader, Findings& findings) {
  WatchdogConfig watchdog;
  if (const auto on = reader.maybe("watchdog.mode"))
    watchdog.mode = *on ? "automatic" : "off";
  else
    watchdog.mode = word(reader, "watchdog.mode", {"automatic", "required", "off"}, findings);
  watchdog.device = reader.text("watchdog.device", watchdog.device);
  watchdog.safety_margin_s = bounded(reader, "watchdog.safety_margin", watchdog.safety_margin_s, -1,
                                     1'000'000, true, findings);
  watchdog.driver = reader.text("watchdog.driver", watchdog.driver);
  return watchdog;
}

FenceConfig read_fence(const Reader& reader, Findings& findings) {
  FenceConfig fence;
  fence.commit = reader.boolean("aurum.fence.commit", fence.commit);
  fence.reads = reader.boolean("aurum.fence.reads", fence.reads);
  fence.wait_s = bounded(reader, "aurum.fence.wait", fence.wait_s, 0, 3600, true, findings);
  fence.library = reader.text("aurum.fence.library");
  if (!fence.library.empty() && !fence.library.is_absolute())
    findings.error("aurum.fence.library", "must be the whole path of aurum_fence.so");
  if (fence.reads && !fence.commit)
    findings.warning("aurum.fence.reads", "does nothing while aurum.fence.commit is off");
  return fence;
}

}  // namespace

std::string PgConfig::listen_addresses() const {
  const auto parsed = parse_listen(listen, kPostgresPort);
  if (!parsed) return {};
  return parsed->hosts.empty() ? "*" : parsed->hosts;
}

int PgConfig::port() const {
  const auto parsed = parse_listen(listen, kPostgresPort);
  return parsed ? parsed->port : kPostgresPort;
}

LocalConfig read_local(const Value& tree, const Environment& env, ConfigUse use,
                       Findings& findings) {
  const Reader reader(tree);
  LocalConfig config;
  config.name = reader.text("name", reader.text("postgresql.name"));
  config.scope = reader.text("scope");
  config.ns = reader.text("namespace", config.ns);
  if (use == ConfigUse::agent) {
    required(config.name, "name", "Set name to this member's name, or PATRONI_NAME.", findings);
    required(config.scope, "scope", "Set scope to the cluster's name, or PATRONI_SCOPE.", findings);
  }
  check_name(config.name, "name", findings);
  check_name(config.scope, "scope", findings);
  config.log = read_log(reader, findings);
  config.rest = read_rest(reader, use, findings);
  config.ctl = read_ctl(reader, findings);
  config.etcd = read_etcd(reader, use, findings);
  config.pg = read_pg(reader, env, use, findings);
  if (use == ConfigUse::agent) check_advertised(config, findings);
  config.bootstrap = read_bootstrap(reader, findings);
  config.watchdog = read_watchdog(reader, findings);
  config.aurum.profile =
      word(reader, "aurum.profile", {"", "fast", "default", "patroni"}, findings);
  config.aurum.run_dir = reader.text("aurum.run_dir");
  config.aurum.fence = read_fence(reader, findings);
  config.aurum.disk = read_disk(reader, findings);
  if (use == ConfigUse::agent) config.aurum.routing = read_routing(reader, findings);
  if (use == ConfigUse::agent) config.aurum.access = read_access(reader, config.rest, findings);
  if (use == ConfigUse::agent) config.aurum.backup = read_backup(reader, config, findings);
  config.tags = reader.value("tags");
  return config;
}

}  // namespace aurum::model
