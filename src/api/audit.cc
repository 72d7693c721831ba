#include "api/audit.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace aurum::api {
namespace {

constexpr std::size_t kLongestText = 200, kMostKeys = 20;

/// One line stays one, however the caller is called.
std::string plain(std::string_view text) {
  std::string out(text.substr(0, kLongestText));
  std::ranges::replace_if(out, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return out;
}

}  // namespace

std::string audit_line(const Call& call, int status) {
  std::string line =
      fmt::format("audit: {} {} by {} from {}: {}", plain(call.method), plain(call.path()),
                  call.caller.who.empty() ? "nobody known" : plain(call.caller.who),
                  plain(call.peer_address), status);
  if (call.changes.empty()) return line;
  line += status < 300 ? ", changed " : ", not changed: ";
  const std::size_t shown = std::min(call.changes.size(), kMostKeys);
  for (std::size_t i = 0; i < shown; ++i) line += (i == 0 ? "" : ", ") + plain(call.changes[i]);
  if (shown < call.changes.size()) line += fmt::format(" and {} more", call.changes.size() - shown);
  return line;
}

}  // namespace aurum::api
