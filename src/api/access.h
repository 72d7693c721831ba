#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/node.h"
#include "net/http.h"

/// Who may call what is "unsafe" (PATRONI_COMPAT §2.1).
namespace aurum::api {

/// Copied before the first await: a NodeView's pointers do not outlive one.
struct AccessRules {
  std::vector<std::string> hosts;  ///< allow-list entries: addresses, networks (a.b.c.d/n), names
  bool list_in_use = false;        ///< false: everybody may come
  bool needs_client_certificate = false;
  std::string username, password;  ///< both "" = no authentication
  std::string other_password;      ///< as good as `password` while that is changed; "" = none
};

/// `for_failsafe`: POST /failsafe passes where members are on the list, since the caller's member
/// key may have expired with the store out of reach (FAILURES F10).
AccessRules access_rules(const model::RestConfig& rest, const model::ClusterView* cluster,
                         bool for_failsafe);

/// Whether an address is in the list; names are resolved, within two seconds each.
Task<bool> is_allowed(std::vector<std::string> hosts, std::string address);

/// The reply that turns the caller away, or none. Order: allow-list, client certificate, Basic
/// authentication.
Task<std::optional<net::HttpResponse>> refuse(AccessRules rules, const net::HttpRequest& request);

/// The Server header for `restapi.server_tokens`.
std::string server_header(const model::RestConfig& rest, const std::string& patroni_version,
                          const std::string& aurum_version);
/// http_extra_headers, with those of https_extra_headers over them when TLS is on.
net::Headers extra_headers(const model::RestConfig& rest);

}  // namespace aurum::api
