#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/certificate_files.h"
#include "api/node.h"
#include "model/config.h"

namespace aurum::agent {

/// The certificate files this node works with, looked at now and then: who renews one has nobody to
/// tell. Those of etcd and of peers are read at each connection anyway, and pgBackRest's server is
/// told by its parent (backup/tls_server.h); what the REST server, PostgreSQL and the router keep
/// in memory is reported as changed.
class Certificates {
 public:
  using Use = CertificateUse;

  /// Which uses have other files than at the last look; none at the first one. A pair that is being
  /// replaced is reported once for each of its files.
  std::set<Use> look(const model::LocalConfig& config, const model::DynamicConfig& dynamic);
  /// As of the last look; for metrics.
  const std::vector<api::CertificateView>& views() const { return views_; }

 private:
  std::map<Use, std::string> stamps_;
  std::vector<api::CertificateView> views_;
};

}  // namespace aurum::agent
