#include <charconv>

#include <fmt/format.h>

#include "model/cluster.h"
#include "model/utf8.h"

namespace aurum::model {
namespace {

/// Lower case of ASCII, Latin-1, Greek and Cyrillic capitals, without any locale.
char32_t lower(char32_t c) {
  const bool latin = (c >= U'A' && c <= U'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7);
  const bool greek = c >= 0x391 && c <= 0x3A9 && c != 0x3A2;
  const bool cyrillic = c >= 0x410 && c <= 0x42F;
  return latin || greek || cyrillic ? c + 0x20 : c;
}

}  // namespace

std::string base_path(std::string_view ns, std::string_view scope) {
  std::string path = "/";
  for (char c : fmt::format("{}/{}/", ns, scope))
    if (c != '/' || path.back() != '/') path += c;
  return path;
}

std::string slot_name(std::string_view member_name) {
  constexpr std::size_t max_length = 63;  // NAMEDATALEN - 1
  std::string slot;
  for (char32_t c : to_code_points(member_name)) {
    c = lower(c);
    if ((c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9') || c == U'_')
      slot += static_cast<char>(c);
    else if (c == U'-' || c == U'.')
      slot += '_';
    else
      slot += fmt::format("u{:04}", static_cast<std::uint32_t>(c));
  }
  slot.resize(std::min(slot.size(), max_length));
  return slot;
}

Result<HostPort> parse_url_host(std::string_view url) {
  const auto bad = [&] {
    return fail(Code::invalid, fmt::format("\"{}\" has no host and port", url.substr(0, 80)));
  };
  std::string_view rest = url;
  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos)
    rest.remove_prefix(scheme + 3);
  rest = rest.substr(0, rest.find_first_of("/?"));
  if (const auto user = rest.rfind('@'); user != std::string_view::npos)
    rest.remove_prefix(user + 1);

  std::string_view host = rest, port;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return bad();
    host = rest.substr(1, close - 1);
    port = rest.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return bad();
    if (!port.empty()) port.remove_prefix(1);
  } else if (const auto colon = rest.rfind(':'); colon != std::string_view::npos) {
    // More than one colon without brackets is a bare IPv6 address.
    if (rest.find(':') == colon) {
      host = rest.substr(0, colon);
      port = rest.substr(colon + 1);
    }
  }
  if (host.empty()) return bad();
  HostPort result{std::string(host), 0};
  if (!port.empty()) {
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
    if (error != std::errc() || end != port.data() + port.size() || result.port < 1 ||
        result.port > 65535)
      return bad();
  }
  return result;
}

}  // namespace aurum::model
