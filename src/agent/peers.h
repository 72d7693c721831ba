#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "core/effect.h"
#include "model/config.h"
#include "model/postgres.h"
#include "net/http_client.h"
#include "runtime/async.h"

namespace aurum::agent {

/// The other members by their REST API, with the credentials and certificates of `ctl` (else
/// `restapi`), on connections that are kept for the next question: a question in an outage needs
/// neither a name to be resolved nor a handshake (tests/failsafe_test.cc,
/// names_that_are_gone_with_etcd_...). A Patroni closes them, and is asked anew each time.
class Peers {
 public:
  explicit Peers(const model::LocalConfig& config) : config_(config) {}

  /// GET <api_url> (PATRONI_COMPAT §2.7).
  runtime::Task<Result<model::PeerStatus>> status(std::string api_url, Duration timeout);
  /// POST /failsafe (PATRONI_COMPAT §8.7). Good: it has promised. A Patroni promises for its own
  /// ttl, and heeds neither `promise` nor `epoch`.
  runtime::Task<Status> consent(core::PeerUrl peer, core::AskConsent what);
  /// Whether anybody answers GET /liveness at the host of this api_url (duplicate member names).
  runtime::Task<bool> answers(std::string api_url, Duration timeout, net::Headers headers = {});

  /// These are the others now. Asks who is new among them, and each if `all`, for a sign of life,
  /// so that its link is there and stays: more often than HttpServerOptions::request_timeout.
  void keep_open(boost::asio::io_context& io, const std::vector<std::string>& api_urls, bool all);
  /// To how many of these a link is open.
  std::size_t linked(const std::vector<std::string>& api_urls) const;
  /// Certificates or credentials are others now: all links open anew.
  void reload() { links_.clear(); }

 private:
  net::HttpLink& link_to(const std::string& api_url);
  net::HttpCall call_of(std::string url, Duration timeout) const;

  const model::LocalConfig& config_;
  std::map<std::string, std::unique_ptr<net::HttpLink>> links_;  ///< by scheme, host and port
};

}  // namespace aurum::agent
