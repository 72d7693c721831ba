#pragma once

#include <optional>

#include "model/config.h"
#include "net/tls.h"

namespace aurum::agent {

/// How the REST API is served; none = without TLS.
std::optional<net::ServerTls> rest_server_tls(const model::RestConfig& rest);

/// How peers are asked (PATRONI_COMPAT §2.7): certificates of `ctl`, its CA else that of `restapi`.
net::ClientTls peer_tls(const model::LocalConfig& config);

}  // namespace aurum::agent
