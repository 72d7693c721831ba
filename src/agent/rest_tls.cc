#include "agent/rest_tls.h"

namespace aurum::agent {

std::optional<net::ServerTls> rest_server_tls(const model::RestConfig& rest) {
  if (rest.tls.certfile.empty()) return std::nullopt;
  net::ServerTls tls;
  tls.certfile = rest.tls.certfile;
  tls.keyfile = rest.tls.keyfile;
  tls.keyfile_password = rest.tls.keyfile_password;
  tls.cafile = rest.tls.cafile;
  tls.ciphers = rest.tls.ciphers;
  tls.verify_client =
      net::parse_verify_client(rest.verify_client).value_or(net::VerifyClient::required);
  return tls;
}

net::ClientTls peer_tls(const model::LocalConfig& config) {
  net::ClientTls tls;
  tls.certfile = config.ctl.tls.certfile;
  tls.keyfile = config.ctl.tls.keyfile;
  tls.keyfile_password = config.ctl.tls.keyfile_password;
  tls.cafile = config.ctl.tls.cafile.empty() ? config.rest.tls.cafile : config.ctl.tls.cafile;
  return tls;
}

}  // namespace aurum::agent
