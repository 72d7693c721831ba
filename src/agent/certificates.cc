#include "agent/certificates.h"

#include <filesystem>
#include <sys/stat.h>

#include <fmt/format.h>

#include "model/config_sources.h"
#include "net/certificate.h"

namespace aurum::agent {

namespace fs = std::filesystem;

namespace {

using Use = Certificates::Use;

struct Files {
  Use use;
  const char* label;
  fs::path certificate, key, authority;
};

/// A setting of PostgreSQL as this node has it: the local one wins.
std::string setting(const model::LocalConfig& config, const model::DynamicConfig& dynamic,
                    std::string_view name) {
  if (const auto* local = config.pg.parameters.find(name)) return local->text();
  const auto* shared = dynamic.postgresql.at({"parameters", name});
  return shared != nullptr ? shared->text() : "";
}

/// PostgreSQL's own defaults and rules (manual, "Secure TCP/IP Connections with SSL").
fs::path below(const fs::path& data_dir, const std::string& file, const char* otherwise) {
  if (file.empty()) return *otherwise == '\0' ? fs::path() : data_dir / otherwise;
  return fs::path(file).is_absolute() ? fs::path(file) : data_dir / file;
}

std::string option(const model::Login& login, const char* name) {
  const auto at = login.options.find(name);
  return at == login.options.end() ? "" : at->second;
}

std::vector<Files> files_of(const model::LocalConfig& config, const model::DynamicConfig& dynamic) {
  const auto& rest = config.rest.tls;
  const auto& peers = config.ctl.tls;
  std::vector<Files> out = {
      {Use::rest, "restapi", rest.certfile, rest.keyfile, rest.cafile},
      {Use::peers, "ctl", peers.certfile, peers.keyfile, peers.cafile},
      {Use::etcd, "etcd", config.etcd.cert, config.etcd.key, config.etcd.cacert},
      {Use::replication, "replication", option(config.pg.replication, "sslcert"),
       option(config.pg.replication, "sslkey"), option(config.pg.replication, "sslrootcert")}};
  const auto ssl = model::read_bool(model::Value(setting(config, dynamic, "ssl")));
  if (ssl.value_or(false)) {
    const auto file = [&](const char* name, const char* otherwise) {
      return below(config.pg.data_dir, setting(config, dynamic, name), otherwise);
    };
    out.push_back({Use::postgresql, "postgresql", file("ssl_cert_file", "server.crt"),
                   file("ssl_key_file", "server.key"), file("ssl_ca_file", "")});
  }
  if (config.aurum.backup)
    out.push_back({Use::backup, "pgbackrest", config.aurum.backup->tls_cert_file,
                   config.aurum.backup->tls_key_file, config.aurum.backup->tls_ca_file});
  std::erase_if(out, [](const Files& files) { return files.certificate.empty(); });
  return out;
}

/// Another text when the file is another one, or was written anew.
std::string stamp(const fs::path& file) {
  struct stat info{};
  if (file.empty() || ::stat(file.c_str(), &info) != 0) return "-";
  return fmt::format("{}:{}:{}.{}", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

}  // namespace

std::set<Use> Certificates::look(const model::LocalConfig& config,
                                 const model::DynamicConfig& dynamic) {
  std::set<Use> changed;
  std::map<Use, std::string> stamps;
  const auto all = files_of(config, dynamic);
  for (const auto& files : all) {
    stamps[files.use] = files.certificate.string() + stamp(files.certificate) + stamp(files.key) +
                        stamp(files.authority);
    const auto before = stamps_.find(files.use);
    if (before != stamps_.end() && before->second != stamps[files.use]) changed.insert(files.use);
  }
  if (stamps == stamps_) return changed;
  stamps_ = std::move(stamps);
  views_.clear();
  for (const auto& files : all) {
    const auto text = model::read_text_file(files.certificate);
    const auto facts =
        text ? net::read_certificate(*text) : Result<net::Certificate>(fail(text.error()));
    if (facts) views_.push_back({files.label, facts->not_after_s});
  }
  return changed;
}

}  // namespace aurum::agent
