#include "backup/pgbackrest_conf.h"

#include <algorithm>
#include <sys/stat.h>

#include <fmt/format.h>

#include "pg/files.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const auto begin = text.find_first_not_of(blanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

bool is_ours(std::string_view option) {
  const bool node =
      option.starts_with("pg") && option.size() > 2 && option[2] >= '0' && option[2] <= '9';
  return node || option == "lock-path" || option == "spool-path" || option == "stanza";
}

tl::unexpected<Error> bad_line(int number, std::string_view what, std::string hint) {
  return fail(Code::invalid, fmt::format("line {} {}", number, what), std::move(hint));
}

using Section = std::map<std::string, std::vector<std::string>>;

void add_repository(Section& out, const model::BackupRepository& repository, std::size_t number) {
  const auto set = [&](std::string_view name, std::string value) {
    if (!value.empty()) out[fmt::format("repo{}-{}", number, name)] = {std::move(value)};
  };
  const auto count = [](int value) { return value == 0 ? std::string() : std::to_string(value); };
  for (const auto& [name, value] : repository.options) set(name, value);
  if (!repository.host.empty()) {
    set("host", repository.host);
    set("host-type", "tls");
    set("host-port", count(repository.host_port));
    set("host-config", repository.host_config);
    return;
  }
  set("type", repository.type);
  set("path", repository.path);
  set("bundle", repository.bundle ? "y" : "");
  set("block", repository.block ? "y" : "");
  set("retention-full", count(repository.retention_full));
  set("retention-full-type",
      repository.retention_full_type == "count" ? "" : repository.retention_full_type);
  set("retention-diff", count(repository.retention_diff));
  set("retention-archive", count(repository.retention_archive));
  if (repository.cipher_pass.empty()) return;
  set("cipher-type", "aes-256-cbc");
  set("cipher-pass", repository.cipher_pass);
}

/// This node's certificate, for what it asks (`prefix` "repo1-host-" and "pg2-host-") …
void add_client_tls(Section& out, const model::BackupConfig& config, const std::string& prefix) {
  if (config.tls_cert_file.empty()) return;
  out[prefix + "cert-file"] = {config.tls_cert_file};
  out[prefix + "key-file"] = {config.tls_key_file};
  if (!config.tls_ca_file.empty()) out[prefix + "ca-file"] = {config.tls_ca_file};
}

/// … and for what `pgbackrest server` answers on it: these hosts may ask for this stanza only.
void add_server_tls(Section& out, const model::BackupConfig& config,
                    const std::vector<ConfPeer>& peers) {
  if (config.tls_cert_file.empty()) return;
  out["tls-server-address"] = {config.tls_listen};
  if (config.tls_port != 8432) out["tls-server-port"] = {std::to_string(config.tls_port)};
  out["tls-server-cert-file"] = {config.tls_cert_file};
  out["tls-server-key-file"] = {config.tls_key_file};
  if (!config.tls_ca_file.empty()) out["tls-server-ca-file"] = {config.tls_ca_file};
  std::vector<std::string> hosts;
  for (const auto& repository : config.repositories)
    if (!repository.host.empty()) hosts.push_back(repository.host);
  for (const auto& peer : peers) hosts.push_back(peer.host);
  std::ranges::sort(hosts);
  hosts.erase(std::ranges::unique(hosts).begin(), hosts.end());
  auto& allowed = out["tls-server-auth"];
  for (const auto& host : hosts) allowed.push_back(host + "=" + config.stanza);
}

Section global_section(const model::BackupConfig& config, const std::vector<ConfPeer>& peers) {
  Section out;
  out["compress-type"] = {config.compress};
  if (config.compress_level) out["compress-level"] = {std::to_string(*config.compress_level)};
  out["lock-path"] = {(config.work_dir / "lock").string()};
  out["log-path"] = {(config.work_dir / "log").string()};
  out["spool-path"] = {(config.work_dir / "spool").string()};
  out["process-max"] = {std::to_string(config.process_max)};
  // A backup waits for its WAL. After three failures PostgreSQL's archiver pauses for a minute.
  out["archive-timeout"] = {"150"};
  out["start-fast"] = {"y"};  // else a backup waits for the next checkpoint, minutes away
  std::size_t number = 0;
  for (const auto& repository : config.repositories) {
    add_repository(out, repository, ++number);
    if (!repository.host.empty()) add_client_tls(out, config, fmt::format("repo{}-host-", number));
  }
  add_server_tls(out, config, peers);
  return out;
}

Section stanza_section(const model::BackupConfig& config, const ConfNode& node,
                       const std::vector<ConfPeer>& peers) {
  Section out;
  out["pg1-path"] = {node.data_dir};
  out["pg1-port"] = {std::to_string(node.port)};
  out["pg1-user"] = {node.user};
  if (!node.socket_dir.empty()) out["pg1-socket-path"] = {node.socket_dir};
  std::size_t number = 1;
  for (const auto& peer : peers) {
    if (!peer.is_source) continue;
    const std::string prefix = fmt::format("pg{}-", ++number);
    out[prefix + "host"] = {peer.host};
    out[prefix + "host-type"] = {"tls"};
    if (peer.tls_port != 0) out[prefix + "host-port"] = {std::to_string(peer.tls_port)};
    out[prefix + "path"] = {peer.data_dir};
    out[prefix + "port"] = {std::to_string(peer.port)};
    if (!peer.user.empty()) out[prefix + "user"] = {peer.user};
    if (!peer.socket_dir.empty()) out[prefix + "socket-path"] = {peer.socket_dir};
    add_client_tls(out, config, prefix + "host-");
  }
  return out;
}

Status make_folder(const fs::path& path) {
  std::error_code ec;
  fs::create_directories(path.parent_path(), ec);
  if (::mkdir(path.c_str(), 0700) == 0 || fs::is_directory(path, ec)) return {};
  return fail(Code::io, fmt::format("cannot make {}", path.string()),
              "Set aurum.backup.work_dir to a directory that the agent's user may write.");
}

}  // namespace

Result<ConfSections> parse_user_part(std::string_view text) {
  ConfSections out;
  std::string section;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with('[')) {
      if (line.size() < 3 || !line.ends_with(']'))
        return bad_line(number, "is no section", "Write [global], [global:command] or [stanza].");
      section = line.substr(1, line.size() - 2);
      continue;
    }
    const auto equals = line.find('=');
    const auto name = trimmed(line.substr(0, std::min(equals, line.size())));
    if (equals == line.npos || name.empty())
      return bad_line(number, "is neither a section nor option=value", "Correct or remove it.");
    if (section.empty())
      return bad_line(number, "stands before any section", "Begin with [global].");
    if (is_ours(name))
      return bad_line(number, fmt::format("sets {}, which follows from patroni.yml", name),
                      "Remove it.");
    out[section][std::string(name)].emplace_back(trimmed(line.substr(equals + 1)));
  }
  return out;
}

ConfNode conf_node(const model::LocalConfig& config) {
  ConfNode node{.data_dir = config.pg.data_dir.string(),
                .user = config.pg.superuser.username,
                .port = config.pg.port()};
  if (const auto* dirs = config.pg.parameters.find("unix_socket_directories")) {
    const std::string text = dirs->text();
    node.socket_dir = std::string(trimmed(text.substr(0, text.find(','))));
  }
  return node;
}

std::string render_pgbackrest_conf(const model::BackupConfig& config, const ConfNode& node,
                                   const std::vector<ConfPeer>& peers, const ConfSections& user) {
  ConfSections all;
  all["global"] = global_section(config, peers);
  // Fetching ahead would hide from a standby that the repository is dead.
  if (config.archive_async) all["global:archive-push"]["archive-async"] = {"y"};
  all[config.stanza] = stanza_section(config, node, peers);
  for (const auto& [section, options] : user)
    for (const auto& [name, values] : options) all[section][name] = values;

  std::string out =
      "# Made from patroni.yml by aurum; your own options go to aurum.backup.include.\n";
  for (const auto& [section, options] : all) {
    out += fmt::format("\n[{}]\n", section);
    for (const auto& [name, values] : options)
      for (const auto& value : values) out += fmt::format("{}={}\n", name, value);
  }
  return out;
}

Result<bool> write_pgbackrest_conf(const model::LocalConfig& config,
                                   const std::vector<ConfPeer>& peers) {
  const auto& backup = *config.aurum.backup;
  ConfSections user;
  if (!backup.include.empty()) {
    const auto text = pg::read_file(backup.include);
    if (!text) return fail(text.error().within("aurum.backup.include"));
    auto parsed = parse_user_part(*text);
    if (!parsed) return fail(parsed.error().within(backup.include.string()));
    user = std::move(*parsed);
  }
  for (const auto& folder : {backup.work_dir, backup.work_dir / "lock", backup.work_dir / "log",
                             backup.work_dir / "spool"}) {
    const auto made = make_folder(folder);
    if (!made) return fail(made.error());
  }
  return pg::write_file(backup.config_file(),
                        render_pgbackrest_conf(backup, conf_node(config), peers, user), 0600);
}

Status begin_pgbackrest_conf(const model::LocalConfig& config) {
  std::error_code ec;
  if (std::filesystem::exists(config.aurum.backup->config_file(), ec)) return {};
  const auto written = write_pgbackrest_conf(config, {});
  if (!written) return fail(written.error());
  return {};
}

}  // namespace aurum::backup
