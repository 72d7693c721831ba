#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

/// Which programs are installed, and which a node runs: they differ between an upgrade of the
/// packages and the next restart.
namespace aurum::stack {

class Cluster;

struct Versions {
  std::string
      postgres;       ///< as SHOW server_version: "15.20 (Debian 15.20-0+deb12u1)"; "" = no answer
  std::string agent;  ///< "aurum 0.1.0", "patroni 3.0.2"; "" = no answer
  friend bool operator==(const Versions&, const Versions&) = default;
  std::string text() const;  ///< "PostgreSQL 15.20, aurum 0.1.0"
};

/// What a node would run after its next start.
Result<Versions> installed_versions(const Cluster& cluster, std::size_t node);
/// What it runs now. Another build of our own program with the same number is "aurum, another
/// build": its file is compared byte by byte with the installed one.
Versions running_versions(const Cluster& cluster, std::size_t node);
/// "15" of "15.20 (Debian …)", "18" of "18beta1".
std::string major_version(const std::string& version);

}  // namespace aurum::stack
