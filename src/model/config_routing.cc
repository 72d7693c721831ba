#include <algorithm>

#include <fmt/format.h>

#include "model/config_sources.h"

/// `aurum.routing` of patroni.yml.
namespace aurum::model {
namespace {

/// It becomes a word of HAProxy's command line.
bool is_plain(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':';
  });
}

std::vector<std::string> addresses(const Reader& reader, std::string_view key, Findings& findings) {
  const std::string path = fmt::format("aurum.routing.{}", key);
  auto out = text_items(reader.value(path));
  for (const auto& address : out) {
    const auto parsed = parse_listen(address, 0);
    if (!parsed || parsed->port == 0 || parsed->hosts.empty() || parsed->hosts.contains(','))
      findings.error(path, fmt::format("\"{}\" is no host:port", address.substr(0, 60)),
                     "Write it as haproxy:9999.");
  }
  return out;
}

}  // namespace

RoutingConfig read_routing(const Reader& reader, Findings& findings) {
  RoutingConfig out;
  out.haproxy = addresses(reader, "haproxy", findings);
  out.backend = reader.text("aurum.routing.backend", out.backend);
  if (!is_plain(out.backend))
    findings.error("aurum.routing.backend", "is no name of a backend",
                   "Use letters, digits, \"-\", \"_\", \".\" and \":\".");
  out.pgbouncer = addresses(reader, "pgbouncer", findings);
  out.pgbouncer_user = reader.text("aurum.routing.pgbouncer_user", out.pgbouncer_user);
  out.pgbouncer_password = reader.text("aurum.routing.pgbouncer_password");
  out.ca_file = reader.text("aurum.routing.ca_file");
  out.cert_file = reader.text("aurum.routing.cert_file");
  out.key_file = reader.text("aurum.routing.key_file");
  if (out.cert_file.empty() != out.key_file.empty())
    findings.error("aurum.routing", "needs both cert_file and key_file");
  if (!out.cert_file.empty() && out.ca_file.empty())
    findings.error("aurum.routing.ca_file", "is not defined", "Name the authority's certificate.");
  out.pause_ms = bounded(reader, "aurum.routing.pause_ms", out.pause_ms, 0, 5'000, false, findings);
  return out;
}

}  // namespace aurum::model
