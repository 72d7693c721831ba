#pragma once

#include <string>
#include <string_view>

#include "model/config.h"

namespace aurum::model::testing {

/// A patroni.yml with nothing but what it needs.
inline constexpr const char* kLeastConfig = R"(
name: n1
scope: demo
restapi: {listen: "127.0.0.1:8008"}
etcd3: {hosts: ["127.0.0.1:2379"]}
postgresql:
  listen: 127.0.0.1:5432
  data_dir: /data/pg/main
  authentication: {replication: {username: r}}
)";

/// With one section of `aurum:`.
inline Loaded with_section(std::string_view name, const std::string& value) {
  return parse_config(
      std::string(kLeastConfig) + "aurum: {" + std::string(name) + ": " + value + "}\n", {});
}

inline std::string texts(const Loaded& loaded, Finding::Level level) {
  std::string all;
  for (const auto& finding : loaded.findings)
    if (finding.level == level) all += finding.text() + "\n";
  return all;
}
inline std::string errors(const Loaded& loaded) { return texts(loaded, Finding::Level::error); }
inline std::string warnings(const Loaded& loaded) { return texts(loaded, Finding::Level::warning); }

}  // namespace aurum::model::testing
