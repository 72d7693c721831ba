#include "model/lsn.h"

#include <charconv>

#include <fmt/format.h>

namespace aurum::model {

std::string to_string(Lsn lsn) {
  return fmt::format("{:X}/{:X}", lsn.value >> 32, lsn.value & 0xFFFFFFFFU);
}

Result<Lsn> parse_lsn(std::string_view text) {
  auto half = [](std::string_view part, std::uint32_t& out) {
    if (part.empty() || part.size() > 8) return false;
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out, 16);
    return error == std::errc() && end == part.data() + part.size();
  };
  const auto slash = text.find('/');
  std::uint32_t high = 0, low = 0;
  if (slash == std::string_view::npos || !half(text.substr(0, slash), high) ||
      !half(text.substr(slash + 1), low))
    return fail(Code::invalid, fmt::format("\"{}\" is not a WAL position", text.substr(0, 40)));
  return Lsn{(std::uint64_t{high} << 32) | low};
}

}  // namespace aurum::model
