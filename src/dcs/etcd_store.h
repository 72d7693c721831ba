#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "base/result.h"
#include "dcs/store.h"
#include "model/config.h"
#include "runtime/log.h"

namespace aurum::dcs {

/// The store over etcd v3 (3.4-3.6), native gRPC. Connects when first called. `base_path` ends in
/// '/' (model::base_path). `log` must outlive the store, the executor's context too. The store may
/// be destroyed while calls are under way: they end with Code::cancelled.
std::unique_ptr<Store> make_etcd_store(boost::asio::any_io_executor executor,
                                       model::EtcdConfig config, std::string base_path,
                                       runtime::Logger& log);

/// Whether hosts can be understood and the certificate files used, so that a start can fail with
/// one clear line; the store itself keeps trying. Code::invalid, naming setting and file.
Status check_etcd_config(const model::EtcdConfig& config);

}  // namespace aurum::dcs
