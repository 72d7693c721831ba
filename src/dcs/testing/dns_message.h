#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace aurum::dcs::testing {

struct SrvRow {
  int priority = 0, weight = 0, port = 0;
  std::string host;
};

/// An answer of DNS with SRV records, as it is on the wire (RFC 1035 §4, RFC 2782). `query`: what
/// it answers, for its id; "" = none.
inline std::string dns_answer(const std::string& name, const std::vector<SrvRow>& rows,
                              std::string_view query = {}) {
  const auto number = [](std::size_t n) {
    return std::string{static_cast<char>(n >> 8 & 0xff), static_cast<char>(n & 0xff)};
  };
  const auto encoded = [](std::string_view text) {
    std::string out;
    while (!text.empty()) {
      const auto label = text.substr(0, text.find('.'));
      out += static_cast<char>(label.size());
      out += label;
      text.remove_prefix(std::min(text.size(), label.size() + 1));
    }
    return out + '\0';
  };
  constexpr std::size_t kAnswered = 0x8180, kNoSuchName = 3, kSrv = 33, kInternet = 1;
  std::string out = query.size() >= 2 ? std::string(query.substr(0, 2)) : number(7);
  out += number(rows.empty() ? kAnswered + kNoSuchName : kAnswered) + number(1) +
         number(rows.size()) + number(0) + number(0);
  out += encoded(name) + number(kSrv) + number(kInternet);
  for (const auto& row : rows) {
    const std::string host = encoded(row.host);
    out += number(0xc00c) + number(kSrv) + number(kInternet) + number(0) + number(60) +
           number(6 + host.size()) + number(static_cast<std::size_t>(row.priority)) +
           number(static_cast<std::size_t>(row.weight)) +
           number(static_cast<std::size_t>(row.port)) + host;
  }
  return out;
}

}  // namespace aurum::dcs::testing
