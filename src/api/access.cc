#include "api/access.h"

#include <algorithm>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include "api/reply.h"
#include "net/resolve.h"

namespace aurum::api {
namespace {

namespace ip = boost::asio::ip;
using boost::system::error_code;

/// An IPv4 address in IPv6 clothes counts as the IPv4 address.
ip::address plain(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

/// Whether `entry` is a network that holds the address; nothing if it is none.
std::optional<bool> in_network(const std::string& entry, const ip::address& address) {
  error_code ec;
  if (const auto v4 = ip::make_network_v4(entry, ec); !ec) {
    if (!address.is_v4()) return false;
    return ip::network_v4(address.to_v4(), v4.prefix_length()).canonical() == v4.canonical();
  }
  if (const auto v6 = ip::make_network_v6(entry, ec); !ec) {
    if (!address.is_v6()) return false;
    return ip::network_v6(address.to_v6(), v6.prefix_length()).canonical() == v6.canonical();
  }
  return std::nullopt;
}

net::HttpResponse unauthorized(std::string text) {
  auto reply = text_reply(401, std::move(text));
  reply.headers.emplace_back("WWW-Authenticate", "Basic realm=\"Patroni\"");
  return reply;
}

/// Patroni's own checks: who gets through them may do everything.
Verdict judge_as_patroni(const RoleRules& rules, const net::HttpRequest& request) {
  Verdict out;
  if (request.has_client_certificate) out.caller.who = "certificate " + request.client_common_name;
  const auto refuse = [&out](net::HttpResponse reply) {
    out.refused = std::move(reply);
    return out;
  };
  if (rules.needs_client_certificate && !request.has_client_certificate)
    return refuse(text_reply(403, "client certificate required"));
  if (!rules.username.empty() || !rules.password.empty()) {
    const std::string_view given = request.header("Authorization");
    if (given.empty()) return refuse(unauthorized("no auth header received"));
    if (!is_password(rules, given)) return refuse(unauthorized("not authenticated"));
    out.caller.who = "user " + rules.username;
  }
  out.caller.role = model::AccessRole::admin;
  return out;
}

model::AccessRole role_for(Needs needs) {
  switch (needs) {
    case Needs::nothing:
    case Needs::member:
      return model::AccessRole::none;
    case Needs::viewer:
      return model::AccessRole::viewer;
    case Needs::operator_:
      return model::AccessRole::operator_;
    case Needs::admin:
      return model::AccessRole::admin;
  }
  return model::AccessRole::admin;
}

}  // namespace

AccessRules access_rules(const model::LocalConfig& config, const model::ClusterView* cluster,
                         bool for_failsafe) {
  const model::RestConfig& rest = config.rest;
  AccessRules rules;
  rules.hosts = rest.allowlist;
  rules.list_in_use = !rest.allowlist.empty() || rest.allowlist_include_members;
  if (rest.allowlist_include_members && cluster != nullptr) {
    for (const auto& [name, member] : cluster->members)
      if (const auto at = model::parse_url_host(member.api_url)) rules.hosts.push_back(at->host);
  }
  if (for_failsafe && rest.allowlist_include_members) rules.list_in_use = false;
  rules.roles = {.entries = config.aurum.access,
                 .username = rest.username,
                 .password = rest.password,
                 .other_password = rest.other_password,
                 .needs_client_certificate =
                     !rest.tls.certfile.empty() &&
                     (rest.verify_client == "optional" || rest.verify_client == "required")};
  return rules;
}

Task<bool> is_allowed(std::vector<std::string> hosts, std::string address) {
  error_code ec;
  const ip::address peer = plain(ip::make_address(address, ec));
  if (ec) co_return false;
  std::vector<std::string> names;
  for (const auto& host : hosts) {
    error_code numeric;
    const ip::address one = ip::make_address(host, numeric);
    if (!numeric && plain(one) == peer) co_return true;
    if (!numeric) continue;
    const auto inside = in_network(host, peer);
    if (inside.value_or(false)) co_return true;
    if (!inside) names.push_back(host);
  }
  for (const auto& name : names) {
    const auto found = co_await net::resolve(name, 0, seconds(2));
    if (!found) continue;
    for (const auto& endpoint : *found)
      if (plain(endpoint.address()) == peer) co_return true;
  }
  co_return false;
}

Task<Verdict> judge(AccessRules rules, const net::HttpRequest& request, Needs needs) {
  const bool has_roles = !rules.roles.entries.empty();
  if (needs == Needs::nothing || (needs == Needs::viewer && !has_roles)) co_return Verdict{};
  if (rules.list_in_use && needs != Needs::viewer) {
    const bool allowed = co_await is_allowed(rules.hosts, request.peer_address);
    if (!allowed) co_return Verdict{{}, text_reply(403, "Access is denied")};
  }
  if (has_roles && needs != Needs::member)
    co_return judge_role(rules.roles, request, role_for(needs));
  co_return judge_as_patroni(rules.roles, request);
}

std::string server_header(const model::RestConfig& rest, const std::string& patroni_version,
                          const std::string& aurum_version) {
  if (net::equal_ignoring_case(rest.server_tokens, "minimal")) return "Patroni/" + patroni_version;
  if (net::equal_ignoring_case(rest.server_tokens, "productonly")) return "Patroni";
  return "Aurum/" + aurum_version;
}

net::Headers extra_headers(const model::RestConfig& rest) {
  net::Headers out = rest.http_extra_headers;
  if (rest.tls.certfile.empty()) return out;
  for (const auto& [name, value] : rest.https_extra_headers) {
    const auto same = [&name](const auto& header) { return header.first == name; };
    if (auto it = std::ranges::find_if(out, same); it != out.end())
      it->second = value;
    else
      out.emplace_back(name, value);
  }
  return out;
}

}  // namespace aurum::api
