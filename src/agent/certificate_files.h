#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/config.h"

namespace aurum::agent {

/// What this node shows a certificate for.
enum class CertificateUse { rest, peers, etcd, postgresql, replication, backup, routing };

struct CertificateFiles {
  CertificateUse use;
  const char* label;                                  ///< in metrics: "restapi"
  std::filesystem::path certificate, key, authority;  ///< "" = none
  std::string setting, key_setting;                   ///< in patroni.yml: "restapi.certfile"
};

/// The certificates this node works with, and authorities that stand alone.
std::vector<CertificateFiles> certificate_files(const model::LocalConfig& config,
                                                const model::DynamicConfig& dynamic);

}  // namespace aurum::agent
