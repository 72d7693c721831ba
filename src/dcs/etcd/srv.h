#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "dcs/etcd/endpoints.h"
#include "net/tls.h"
#include "runtime/async.h"

/// etcd endpoints from DNS: `etcd3.srv` and `srv_suffix` (PATRONI_COMPAT §3.2; etcd's manual,
/// "DNS discovery").
namespace aurum::dcs::etcd {

using runtime::Task;

struct SrvAnswer {
  std::vector<Endpoint> endpoints;  ///< best priority first, then by weight
  bool tls = false;                 ///< the service's name says so: "…-ssl"
  bool peers = false;  ///< "_etcd-server": no client may come there, but its members are told
};

/// One question of another thread's: the records of a whole name, as DNS has them on the wire.
using SrvLookup = std::function<Result<std::string>(const std::string& name)>;

/// The names that are asked for, in this order: of clients, then of etcd as a whole.
std::vector<std::string> srv_names(std::string_view domain, std::string_view suffix);

/// The endpoints in an answer of DNS. Code::protocol when it is none; empty when it has no SRV.
Result<std::vector<Endpoint>> parse_srv(std::string_view message);

/// The first name that has endpoints. Code::unavailable when none has.
Result<SrvAnswer> find_srv(const std::string& domain, const std::string& suffix,
                           const SrvLookup& lookup);

/// Where clients are served, as etcd's members tell it on the ports for each other ("GET
/// /members"): of `https` only or of none. Code::protocol when it is no such answer.
Result<std::vector<Endpoint>> parse_members(std::string_view body, bool https);

/// Asks `peers`, one after the other, for the endpoints of clients. The last one's error, if none
/// answers.
Task<Result<SrvAnswer>> find_members(SrvAnswer peers, net::ClientTls tls);

/// The same as find_srv() in a thread of its own, which may hang for longer than anybody waits for
/// it. Code::timeout then.
Task<Result<SrvAnswer>> find_srv_within(std::string domain, std::string suffix, Duration patience,
                                        SrvLookup lookup);

/// Asks the system's name servers (resolv.conf). Blocks.
Result<std::string> system_srv_lookup(const std::string& name);
/// Asks this one, on this port of 127.0.0.1.
Result<std::string> srv_lookup_at(std::uint16_t port, const std::string& name);

}  // namespace aurum::dcs::etcd
