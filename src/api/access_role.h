#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "api/caller.h"
#include "net/http.h"

/// Who may do what, where patroni.yml has `aurum.access`.
namespace aurum::api {

/// What a route asks of its caller.
///   nothing    health checks, and what Patroni's clients read while a cluster is in trouble
///   viewer     open as well, where nobody has a role
///   member     what members ask of each other: the checks of `restapi` alone, in either case
///   operator_, admin  as in model/access.h; where nobody has a role, the checks of `restapi`
enum class Needs { nothing, viewer, member, operator_, admin };

/// What a caller is let in by. Without `entries` there are no roles.
struct RoleRules {
  std::vector<model::AccessEntry> entries;
  std::string username, password;  ///< restapi.authentication: an admin; both "" = none
  std::string other_password;      ///< as good as `password` while that is changed; "" = none
  bool needs_client_certificate = false;  ///< besides that password
};

/// Takes as long for a wrong text as for the right one of that length.
bool same_secret(std::string_view a, std::string_view b);
/// Whether these are the credentials of restapi.authentication.
bool is_password(const RoleRules& rules, std::string_view authorization);

struct Verdict {
  Caller caller;
  std::optional<net::HttpResponse> refused;  ///< one line, which names the role that is needed
};
/// The highest role that the certificate and the Authorization header of the request prove. A
/// header that proves nothing is refused, whatever the certificate says: it is a mistake, or a
/// guess.
Verdict judge_role(const RoleRules& rules, const net::HttpRequest& request,
                   model::AccessRole needed);

/// Turns away whoever may change settings, but not those that run commands; names them.
std::optional<net::HttpResponse> refuse_commands(const Call& call);

}  // namespace aurum::api
