#pragma once

#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "model/cluster.h"
#include "model/config.h"
#include "runtime/async.h"
#include "runtime/log.h"

namespace aurum::agent {

/// What this machine says against a configuration that reads well: certificates, programs, data
/// directory, ports. Looks only; nothing is made or changed. `source` is named in each finding. The
/// error that the operator has to mend first comes first.
runtime::Task<std::vector<model::Finding>> preflight(const model::LocalConfig& config,
                                                     std::string source, bool listen_ports);

/// One finding when etcd does not answer, or refuses the credentials; else none.
runtime::Task<std::vector<model::Finding>> check_store_reachable(
    boost::asio::any_io_executor executor, const model::LocalConfig& config, std::string source,
    runtime::Logger& log);

/// Addresses of ours that the members on other hosts can not use (errors), and addresses of theirs
/// that we can not use (warnings). A cluster that is all on one host has none.
std::vector<model::Finding> check_advertised(const model::LocalConfig& config,
                                             const model::ClusterView& cluster);
/// The same question before any member is known, for --validate-config: errors.
std::vector<model::Finding> check_advertised(const model::LocalConfig& config, std::string source);

}  // namespace aurum::agent
