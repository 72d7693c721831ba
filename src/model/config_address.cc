#include <charconv>

#include <fmt/format.h>

#include "model/config.h"

namespace aurum::model {

Result<ListenAddress> parse_listen(std::string_view text, int default_port) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::invalid, fmt::format("\"{}\" {}", text.substr(0, 100), why),
                "Write host:port, for example 10.0.0.1:5432, or [::1]:5432 for IPv6.");
  };
  ListenAddress address{std::string(text), default_port};
  const auto bracket = text.rfind(']');
  const auto colon = text.rfind(':');
  // Colons belong to an address in brackets, or to a bare IPv6 address if there are several.
  const bool after_bracket = bracket != std::string_view::npos && colon == bracket + 1;
  const auto last_host =
      text.substr(text.rfind(',') == std::string_view::npos ? 0 : text.rfind(','));
  const bool only_colon = bracket == std::string_view::npos && colon != std::string_view::npos &&
                          last_host.find(':') == last_host.rfind(':');
  if (colon != std::string_view::npos && (after_bracket || only_colon)) {
    const auto port = text.substr(colon + 1);
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (port.empty() || error != std::errc() || end != port.data() + port.size())
      return bad("has no valid port");
    address.hosts = text.substr(0, colon);
  } else if (bracket != std::string_view::npos && bracket + 1 != text.size()) {
    return bad("is no address");
  }
  if (address.port < 1 || address.port > 65535) return bad("has no port from 1 to 65535");
  std::erase(address.hosts, '[');
  std::erase(address.hosts, ']');
  std::erase(address.hosts, ' ');
  return address;
}

std::string guard_name(std::string_view name, const std::filesystem::path& data_dir) {
  // FNV-1a: the same in every run, unlike std::hash.
  std::uint32_t hash = 2166136261U;
  for (const char c : data_dir.lexically_normal().string()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return fmt::format("{}-{:08x}", name, hash);
}

bool is_wildcard(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host.empty() || host == "*" || host == "0.0.0.0" || host == "::" || host == "0";
}

bool is_wildcard_or_loopback(std::string_view host) {
  if (is_wildcard(host)) return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  for (std::string_view local : {"localhost", "::1", "0:0:0:0:0:0:0:1", "localhost.localdomain",
                                 "localhost4", "localhost6", "ip6-localhost"})
    if (host == local) return true;
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace aurum::model
