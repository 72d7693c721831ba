#pragma once

#include <functional>
#include <memory>
#include <string>

#include "dcs/etcd/client.h"
#include "dcs/store.h"

namespace aurum::dcs::etcd {

/// Store::watch over etcd. Ends with the connection it began on; the caller reads and watches anew.
Task<Error> watch_prefix(std::shared_ptr<Client> client, std::string base, model::Revision from,
                         Duration silence, std::function<void(const WatchBatch&)> on_batch);

}  // namespace aurum::dcs::etcd
