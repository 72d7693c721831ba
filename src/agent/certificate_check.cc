#include "agent/certificate_check.h"

#include <optional>
#include <sys/stat.h>

#include <fmt/format.h>

#include "agent/certificate_files.h"
#include "agent/rest_tls.h"
#include "model/cluster.h"
#include "model/config_schema.h"
#include "model/config_sources.h"
#include "net/certificate.h"

namespace aurum::agent {

namespace fs = std::filesystem;

namespace {

using model::Findings;
using Use = CertificateUse;

/// A file of authorities that judges a certificate of ours, wherever it is shown.
struct Judge {
  std::string whose;
  fs::path authorities;
};

bool verifies_server(const model::Login& login) {
  const auto mode = login.options.find("sslmode");
  return mode != login.options.end() && mode->second.starts_with("verify-");
}

/// Members have the same settings, so that ours tell by what the others judge us. Nothing where we
/// do not see it: HAProxy's and etcd's authorities for clients are theirs.
std::optional<Judge> judge_of(const CertificateFiles& files, const model::LocalConfig& config) {
  switch (files.use) {
    case Use::rest:
      return Judge{"the authority by which members ask each other", peer_tls(config).cafile};
    case Use::peers:
      if (config.rest.verify_client == "none") return std::nullopt;
      return Judge{"restapi.cafile", config.rest.tls.cafile};
    case Use::postgresql: {
      if (!verifies_server(config.pg.replication)) return std::nullopt;
      const auto root = config.pg.replication.options.find("sslrootcert");
      if (root == config.pg.replication.options.end() || root->second == "system")
        return std::nullopt;
      return Judge{"postgresql.authentication.replication.sslrootcert", root->second};
    }
    case Use::backup:
      return Judge{"aurum.backup.tls.ca_file", files.authority};
    case Use::etcd:
    case Use::replication:
    case Use::routing:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string day(std::int64_t at_s) { return model::iso8601({at_s * 1'000'000}).substr(0, 10); }

constexpr const char* kRenew =
    "Renew it, with `aurum certs renew` or as your authority does; a running agent takes it up.";

void check_time(const CertificateFiles& files, const net::Certificate& certificate, WallTime now,
                Findings& findings) {
  const auto now_s = now.us / 1'000'000;
  if (certificate.not_after_s <= now_s)
    findings.error(files.setting,
                   fmt::format("the certificate {} ended on {}", files.certificate.string(),
                               day(certificate.not_after_s)),
                   kRenew);
  if (certificate.not_before_s > now_s)
    findings.error(files.setting,
                   fmt::format("the certificate {} begins on {}", files.certificate.string(),
                               day(certificate.not_before_s)),
                   "Is this machine's clock right?");
}

void check_authority(const CertificateFiles& files, const std::string& certificate,
                     const model::LocalConfig& config, Findings& findings) {
  const auto judge = judge_of(files, config);
  if (!judge || judge->authorities.empty()) return;
  const auto authorities = model::read_text_file(judge->authorities);
  if (!authorities) return;
  if (const auto good = net::check_authority(certificate, *authorities); !good)
    findings.error(files.setting,
                   fmt::format("the certificate {} is not of {}, {}", files.certificate.string(),
                               judge->whose, judge->authorities.string()),
                   "Install one of that authority, or add the issuer to that file.");
}

/// Without a file of its own the key is in the certificate's.
void check_key_mode(const CertificateFiles& files, Findings& findings) {
  const bool combined = files.key_setting == files.setting;
  const fs::path& key = combined ? files.certificate : files.key;
  struct stat info{};
  if (key.empty() || ::stat(key.c_str(), &info) != 0 || (info.st_mode & 07U) == 0) return;
  findings.error(files.key_setting,
                 fmt::format("everybody on this machine may read the key {}", key.string()),
                 fmt::format("chmod 0600 {}", key.string()));
}

/// preflight() has tried these; and what initdb makes a place for may come with it.
bool may_be_unreadable(const CertificateFiles& files, const model::LocalConfig& config) {
  const bool tried = files.use == Use::rest || files.use == Use::peers || files.use == Use::etcd;
  return tried ||
         (files.use == Use::postgresql && files.certificate.parent_path() == config.pg.data_dir);
}

}  // namespace

std::vector<model::Finding> check_certificates(const model::LocalConfig& config,
                                               const std::string& source, WallTime now) {
  std::vector<model::Finding> found;
  Findings findings(found, source);
  const auto shared = model::read_dynamic_config(config.bootstrap.dcs);
  for (const auto& files : certificate_files(config, shared)) {
    if (files.certificate.empty()) continue;
    const auto text = model::read_text_file(files.certificate);
    const auto facts =
        text ? net::read_certificate(*text) : Result<net::Certificate>(fail(text.error()));
    if (facts) {
      check_time(files, *facts, now, findings);
      check_authority(files, *text, config, findings);
    } else if (!may_be_unreadable(files, config)) {
      findings.error(
          files.setting,
          text ? files.certificate.string() + " " + facts.error().message : facts.error().message,
          facts.error().hint);
    }
    check_key_mode(files, findings);
  }
  return found;
}

}  // namespace aurum::agent
