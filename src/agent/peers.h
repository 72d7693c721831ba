#pragma once

#include <string>

#include "model/config.h"
#include "model/postgres.h"
#include "runtime/async.h"

namespace aurum::agent {

/// GET <api_url> of a peer (PATRONI_COMPAT §2.7), with the credentials and certificates of `ctl`
/// (else `restapi`).
runtime::Task<Result<model::PeerStatus>> ask_peer_status(const model::LocalConfig& config,
                                                         std::string api_url, Duration timeout);

/// Whether anybody answers GET /liveness at the host of this api_url (duplicate member names).
runtime::Task<bool> peer_answers(const model::LocalConfig& config, std::string api_url,
                                 Duration timeout);

}  // namespace aurum::agent
