#pragma once

#include <string>

#include "core/effect.h"
#include "model/config.h"
#include "model/postgres.h"
#include "runtime/async.h"

namespace aurum::agent {

/// GET <api_url> of a peer (PATRONI_COMPAT §2.7), with the credentials and certificates of `ctl`
/// (else `restapi`).
runtime::Task<Result<model::PeerStatus>> ask_peer_status(const model::LocalConfig& config,
                                                         std::string api_url, Duration timeout);

/// POST /failsafe to a peer (PATRONI_COMPAT §8.7). Good: it has promised. A Patroni promises for its
/// own ttl, and heeds neither `promise` nor `epoch`.
runtime::Task<Status> ask_peer_consent(const model::LocalConfig& config, std::string api_url,
                                       const core::AskConsent& what);

/// Whether anybody answers GET /liveness at the host of this api_url (duplicate member names).
runtime::Task<bool> peer_answers(const model::LocalConfig& config, std::string api_url,
                                 Duration timeout);

}  // namespace aurum::agent
