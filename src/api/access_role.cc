#include "api/access_role.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/reply.h"
#include "model/config_changes.h"

namespace aurum::api {
namespace {

using model::AccessEntry;
using model::AccessRole;

/// What follows the scheme of an Authorization header; nothing for another one.
std::optional<std::string_view> credentials(std::string_view header, std::string_view scheme) {
  if (header.size() <= scheme.size() || header[scheme.size()] != ' ') return std::nullopt;
  if (!net::equal_ignoring_case(header.substr(0, scheme.size()), scheme)) return std::nullopt;
  header.remove_prefix(scheme.size());
  return header.substr(std::min(header.find_first_not_of(' '), header.size()));
}

/// All are compared, so that the time tells nothing of which it was.
const AccessEntry* holder_of(const RoleRules& rules, std::string_view token) {
  const AccessEntry* found = nullptr;
  for (const auto& entry : rules.entries) {
    const bool first = !entry.token.empty() && same_secret(entry.token, token);
    const bool other = !entry.other_token.empty() && same_secret(entry.other_token, token);
    if (first || other) found = &entry;
  }
  return found;
}

const AccessEntry* entry_of_certificate(const RoleRules& rules, const net::HttpRequest& request) {
  if (!request.has_client_certificate || request.client_common_name.empty()) return nullptr;
  const auto found =
      std::ranges::find(rules.entries, request.client_common_name, &AccessEntry::certificate);
  return found == rules.entries.end() ? nullptr : &*found;
}

net::HttpResponse unauthorized(const RoleRules& rules, std::string text) {
  auto reply = text_reply(401, std::move(text));
  // As Patroni's clients know it, where there is a password to ask for.
  reply.headers.emplace_back("WWW-Authenticate", rules.password.empty()
                                                     ? "Bearer realm=\"Patroni\""
                                                     : "Basic realm=\"Patroni\"");
  return reply;
}

}  // namespace

bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

bool is_password(const RoleRules& rules, std::string_view authorization) {
  if (!authorization.starts_with("Basic ")) return false;
  const auto given = net::base64_decode(authorization.substr(6));
  const auto is = [&](const std::string& password) {
    return same_secret(*given, rules.username + ":" + password);
  };
  return given &&
         (is(rules.password) || (!rules.other_password.empty() && is(rules.other_password)));
}

Verdict judge_role(const RoleRules& rules, const net::HttpRequest& request, AccessRole needed) {
  Verdict out;
  const auto refuse = [&](int status, std::string_view why) {
    auto text = fmt::format("{}: this needs the role {}", why, to_string(needed));
    out.refused =
        status == 401 ? unauthorized(rules, std::move(text)) : text_reply(status, std::move(text));
    return out;
  };
  if (const auto* entry = entry_of_certificate(rules, request))
    out.caller = {entry->role, "certificate " + entry->certificate};
  else if (request.has_client_certificate)
    out.caller.who = "certificate " + request.client_common_name;

  const std::string_view header = request.header("Authorization");
  if (const auto token = credentials(header, "Bearer")) {
    const auto* entry = holder_of(rules, *token);
    if (entry == nullptr) return refuse(401, "not authenticated");
    if (entry->role > out.caller.role) out.caller = {entry->role, "token " + entry->name};
  } else if (!header.empty() && !(rules.username.empty() && rules.password.empty())) {
    if (!is_password(rules, header)) return refuse(401, "not authenticated");
    if (rules.needs_client_certificate && !request.has_client_certificate)
      return refuse(403, "client certificate required");
    out.caller = {AccessRole::admin, "user " + rules.username};
  }
  if (out.caller.role >= needed) return out;
  if (out.caller.who.empty()) return refuse(401, "no auth header received");
  return refuse(403, fmt::format("{} has {}", out.caller.who,
                                 out.caller.role == AccessRole::none ? "no role"
                                                                     : to_string(out.caller.role)));
}

std::optional<net::HttpResponse> refuse_commands(const Call& call) {
  if (call.caller.role >= AccessRole::admin) return std::nullopt;
  std::string keys;
  for (const auto& key : call.changes)
    if (model::runs_commands(key)) keys += (keys.empty() ? "" : ", ") + key;
  if (keys.empty()) return std::nullopt;
  return text_reply(403, fmt::format("{} has {}: this needs the role admin, since it can run "
                                     "commands: {}",
                                     call.caller.who, to_string(call.caller.role), keys));
}

}  // namespace aurum::api
