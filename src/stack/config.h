#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "stack/plan.h"

namespace aurum::stack {

/// Made once per stack, kept in <dir>/secrets.json (mode 0600). Each node has the first four in
/// files of its own, secrets/NODE/superuser and so on; where `aurum secrets rotate` changed one,
/// those hold.
struct Secrets {
  std::string superuser;      ///< role postgres
  std::string replication;    ///< role replicator
  std::string rewind;         ///< role rewinder
  std::string rest;           ///< user aurum of the REST interface
  std::string cluster_token;  ///< etcd's --initial-cluster-token: two stacks never join
  std::string pooler;         ///< role pgbouncer; "" in stacks from before there was one
};

/// From /dev/urandom: 24 letters and digits each, so that no file format has to quote them.
Result<Secrets> make_secrets();
std::filesystem::path secret_file(const Plan& plan, const NodePlan& node, std::string_view use);
std::string to_json(const Secrets& secrets);
Result<Secrets> secrets_from_json(std::string_view text);

/// Where the programs of a stack stand.
struct Programs {
  std::string postgres_bin_dir;
  std::string fence_library;  ///< "" = none is named: the agent takes what is installed
};
/// The agent's patroni.yml for node `index` (PATRONI_COMPAT §3.2), the same for every agent but for
/// the `aurum` section.
Result<std::string> agent_config(const Plan& plan, const Secrets& secrets, std::size_t index,
                                 const Programs& programs);

/// Arguments of etcd, without the program.
std::vector<std::string> etcd_arguments(const Plan& plan, const Secrets& secrets,
                                        std::size_t index);

/// Lines of a libpq password file for every node (PostgreSQL manual, "The Password File").
std::string password_file(const Plan& plan, const Secrets& secrets);

/// JSON as block YAML which PyYAML and yaml-cpp read back as the same value; `text` must be a JSON
/// object.
Result<std::string> json_to_yaml(std::string_view text);

enum class Access { read_write, read_only, any };
/// A libpq URI over all nodes; the password comes from the password file.
std::string connection_string(const Plan& plan, Access access);
/// What a libpq conninfo needs besides for TLS; "" without it.
std::string tls_pairs(const Plan& plan);
/// The same as libpq's key=value pairs on two lines, for people: a URI over three nodes is too long
/// to read.
std::string connection_pairs(const Plan& plan, Access access, std::string_view indent);

}  // namespace aurum::stack
