#include "agent/certificate_files.h"

namespace aurum::agent {

namespace fs = std::filesystem;

namespace {

using Use = CertificateUse;

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

}  // namespace

std::vector<CertificateFiles> certificate_files(const model::LocalConfig& config,
                                                const model::DynamicConfig& dynamic) {
  const auto& rest = config.rest.tls;
  const auto& peers = config.ctl.tls;
  const auto& routing = config.aurum.routing;
  const std::string replication = "postgresql.authentication.replication.";
  std::vector<CertificateFiles> out = {
      {Use::rest, "restapi", rest.certfile, rest.keyfile, rest.cafile, "restapi.certfile",
       rest.keyfile.empty() ? "restapi.certfile" : "restapi.keyfile"},
      {Use::peers, "ctl", peers.certfile, peers.keyfile, peers.cafile, "ctl.certfile",
       peers.keyfile.empty() ? "ctl.certfile" : "ctl.keyfile"},
      {Use::etcd, "etcd", config.etcd.cert, config.etcd.key, config.etcd.cacert, "etcd3.cert",
       "etcd3.key"},
      {Use::replication, "replication", option(config.pg.replication, "sslcert"),
       option(config.pg.replication, "sslkey"), option(config.pg.replication, "sslrootcert"),
       replication + "sslcert", replication + "sslkey"},
      {Use::routing, "routing", routing.cert_file, routing.key_file, routing.ca_file,
       "aurum.routing.cert_file", "aurum.routing.key_file"}};
  const auto ssl = model::read_bool(model::Value(setting(config, dynamic, "ssl")));
  if (ssl.value_or(false)) {
    const auto file = [&](const char* name, const char* otherwise) {
      return below(config.pg.data_dir, setting(config, dynamic, name), otherwise);
    };
    out.push_back({Use::postgresql, "postgresql", file("ssl_cert_file", "server.crt"),
                   file("ssl_key_file", "server.key"), file("ssl_ca_file", ""),
                   "postgresql.parameters.ssl_cert_file", "postgresql.parameters.ssl_key_file"});
  }
  if (config.aurum.backup)
    out.push_back({Use::backup, "pgbackrest", config.aurum.backup->tls_cert_file,
                   config.aurum.backup->tls_key_file, config.aurum.backup->tls_ca_file,
                   "aurum.backup.tls.cert_file", "aurum.backup.tls.key_file"});
  std::erase_if(out, [](const CertificateFiles& files) {
    return files.certificate.empty() && files.authority.empty();
  });
  return out;
}

}  // namespace aurum::agent
