#include "dcs/etcd_version.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

namespace aurum::dcs {

std::string etcd_version_warning(const std::string& version) {
  std::array<int, 3> number{};
  const char* at = version.data();
  const char* const end = version.data() + version.size();
  for (int& part : number) {
    const auto [stop, ec] = std::from_chars(at, end, part);
    if (ec != std::errc()) return {};
    at = stop < end && *stop == '.' ? stop + 1 : stop;
  }
  const bool good = number[0] > 3 || number[1] > 6 || (number[1] == 6 && number[2] >= 9) ||
                    (number[1] == 5 && number[2] >= 28);
  if (number[0] < 3 || good) return {};
  return fmt::format(
      "etcd is version {}: releases before 3.5.28 (3.6: before 3.6.9) may revoke a lease that is "
      "kept alive, confirm one that is gone, or answer with old data after a pause (hint: upgrade "
      "etcd, one member at a time)",
      version);
}

}  // namespace aurum::dcs
