#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/access_role.h"
#include "api/node.h"
#include "net/http.h"

/// Who may call what is "unsafe" (PATRONI_COMPAT §2.1).
namespace aurum::api {

/// Copied before the first await: a NodeView's pointers do not outlive one.
struct AccessRules {
  std::vector<std::string> hosts;  ///< allow-list entries: addresses, networks (a.b.c.d/n), names
  bool list_in_use = false;        ///< false: everybody may come
  RoleRules roles;
  bool everybody_may_write() const {
    return roles.entries.empty() && roles.password.empty() && !roles.needs_client_certificate;
  }
};

/// `for_failsafe`: POST /failsafe passes where members are on the list, since the caller's member
/// key may have expired with the store out of reach (FAILURES F10).
AccessRules access_rules(const model::LocalConfig& config, const model::ClusterView* cluster,
                         bool for_failsafe);

/// Whether an address is in the list; names are resolved, within two seconds each.
Task<bool> is_allowed(std::vector<std::string> hosts, std::string address);

/// Who calls, and the reply that turns him away, or none. Order: allow-list, then the role, if
/// patroni.yml knows any; else client certificate, Basic authentication.
Task<Verdict> judge(AccessRules rules, const net::HttpRequest& request, Needs needs);

/// The Server header for `restapi.server_tokens`.
std::string server_header(const model::RestConfig& rest, const std::string& patroni_version,
                          const std::string& aurum_version);
/// http_extra_headers, with those of https_extra_headers over them when TLS is on.
net::Headers extra_headers(const model::RestConfig& rest);

}  // namespace aurum::api
