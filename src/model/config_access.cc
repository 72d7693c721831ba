#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "model/config_sources.h"
#include "model/secret_file.h"

/// `aurum.access` of patroni.yml.
namespace aurum::model {
namespace {

constexpr std::size_t kShortestToken = 16, kLongestToken = 512;

/// Whoever reads it has the role. The group may: Docker and systemd give files to a group.
bool is_open_to_all(const std::filesystem::path& file) {
  std::error_code ec;
  const auto status = std::filesystem::status(file, ec);
  constexpr auto others =
      std::filesystem::perms::others_read | std::filesystem::perms::others_write;
  return !ec && (status.permissions() & others) != std::filesystem::perms::none;
}

void read_token(AccessEntry& entry, Findings& findings) {
  const auto secret = load_secret_file(entry.token_file);
  if (!secret) {
    findings.error("token_file", secret.error().message,
                   secret.error().hint.empty()
                       ? "Make it, for example: openssl rand -hex 32; readable for the agent only."
                       : secret.error().hint);
    return;
  }
  if (is_open_to_all(entry.token_file))
    findings.error("token_file",
                   fmt::format("everybody on this host may read {} or write it", entry.token_file),
                   fmt::format("chmod 0640 {}", entry.token_file));
  if (!is_token(secret->in_use) || (!secret->other().empty() && !is_token(secret->other())))
    findings.error("token_file",
                   fmt::format("{} holds no token: 16 to 512 letters of ASCII without a blank",
                               entry.token_file),
                   "Make one, for example: openssl rand -hex 32");
  entry.token = secret->in_use;
  entry.other_token = secret->other();
}

AccessEntry read_entry(const Value& tree, Findings& findings) {
  check_keys(tree, access_keys(), {}, findings, Unknown::error);
  const Reader reader(tree);
  AccessEntry out;
  const auto role = reader.text("role");
  if (const auto known = parse_access_role(role))
    out.role = *known;
  else
    findings.error(
        "role",
        role.empty() ? "is not defined" : fmt::format("\"{}\" is no role", role.substr(0, 40)),
        "Use one of: viewer, operator, admin.");
  out.certificate = reader.text("certificate");
  out.token_file = reader.text("token_file");
  if (!out.certificate.empty() && !out.token_file.empty())
    findings.error("token_file", "is set together with certificate",
                   "Make two entries of it: each is enough by itself.");
  if (out.certificate.empty() && out.token_file.empty())
    findings.error("certificate", "is not defined, nor is token_file",
                   "Say who has the role: the common name of a certificate, or a file with a "
                   "token.");
  const auto of_file = std::filesystem::path(out.token_file).filename().string();
  out.name = reader.text("name", out.certificate.empty() ? of_file : out.certificate);
  if (!out.token_file.empty()) read_token(out, findings);
  return out;
}

/// The same certificate or token may not have two roles: which of them counts would be a riddle.
void check_twice(const AccessEntry& entry, std::set<std::string>& certificates,
                 std::set<std::string>& tokens, Findings& findings) {
  if (!entry.certificate.empty() && !certificates.insert(entry.certificate).second)
    findings.error("certificate", fmt::format("\"{}\" is listed twice", entry.certificate),
                   "Keep one of the two.");
  bool fresh = entry.token.empty() || tokens.insert(entry.token).second;
  if (!entry.other_token.empty()) fresh = tokens.insert(entry.other_token).second && fresh;
  if (!fresh)
    findings.error("token_file",
                   fmt::format("{} holds a token that is listed twice", entry.token_file),
                   "Give each its own.");
}

void check_transport(const AccessEntry& entry, const RestConfig& rest, Findings& findings) {
  const bool tls = !rest.tls.certfile.empty();
  if (!entry.certificate.empty() && (!tls || rest.verify_client == "none"))
    findings.error("certificate", "is never seen: nobody is asked for a certificate",
                   "Set restapi.certfile and cafile, and restapi.verify_client to optional or "
                   "required.");
  if (!entry.token_file.empty() && !tls)
    findings.warning("token_file", "goes over the network as it is: restapi has no TLS",
                     "Set restapi.certfile.");
}

}  // namespace

std::string_view to_string(AccessRole role) {
  switch (role) {
    case AccessRole::none:
      return "none";
    case AccessRole::viewer:
      return "viewer";
    case AccessRole::operator_:
      return "operator";
    case AccessRole::admin:
      return "admin";
  }
  return "none";
}

std::optional<AccessRole> parse_access_role(std::string_view text) {
  for (const auto role : {AccessRole::viewer, AccessRole::operator_, AccessRole::admin})
    if (text == to_string(role)) return role;
  return std::nullopt;
}

bool is_token(std::string_view text) {
  return text.size() >= kShortestToken && text.size() <= kLongestToken &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

std::vector<AccessEntry> read_access(const Reader& reader, const RestConfig& rest,
                                     Findings& findings) {
  std::vector<AccessEntry> out;
  const Value* list = reader.find("aurum.access");
  if (list == nullptr || !list->is_array()) return out;
  if (list->empty())
    findings.error("aurum.access", "names nobody", "Remove it, or list who may do what.");
  std::set<std::string> certificates, tokens;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string path = fmt::format("aurum.access[{}]", i + 1);
    const Value& item = list->as_array()[i];
    if (!item.is_object()) {
      findings.error(path, "must be a map", "Write \"role: viewer\" and the like below \"- \".");
      continue;
    }
    Findings below = findings.below(path + ".");
    out.push_back(read_entry(item, below));
    check_twice(out.back(), certificates, tokens, below);
    check_transport(out.back(), rest, below);
  }
  return out;
}

}  // namespace aurum::model
