#include "model/disk.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace aurum::model {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 4> kUnits = {
    {{"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}}};

DiskLevel level_of(const Volume& volume, const DiskConfig& config, DiskLevel before) {
  if (volume.capacity == 0) return DiskLevel::ok;
  const auto below = [&](const DiskLimit& limit, DiskLevel level) {
    const std::uint64_t bytes = limit.of(volume);
    return volume.available < (before >= level ? bytes + bytes / 4 : bytes);
  };
  if (below(config.critical, DiskLevel::critical)) return DiskLevel::critical;
  return below(config.low, DiskLevel::low) ? DiskLevel::low : DiskLevel::ok;
}

double share_left(const Volume& volume) {
  return volume.capacity == 0
             ? 1
             : static_cast<double>(volume.available) / static_cast<double>(volume.capacity);
}

}  // namespace

std::string_view to_string(DiskLevel level) {
  switch (level) {
    case DiskLevel::low:
      return "low";
    case DiskLevel::critical:
      return "critical";
    case DiskLevel::ok:
      break;
  }
  return "ok";
}

DiskLevel parse_disk_level(std::string_view text) {
  if (text == "low") return DiskLevel::low;
  return text == "critical" ? DiskLevel::critical : DiskLevel::ok;
}

std::uint64_t DiskLimit::of(const Volume& volume) const {
  const auto share =
      static_cast<std::uint64_t>(static_cast<double>(volume.capacity) * percent / 100);
  if (percent == 0) return bytes;
  return bytes == 0 ? share : std::min(share, bytes);
}

Result<DiskLimit> parse_disk_limit(std::string_view text) {
  const auto wrong = [&] {
    return fail(Code::invalid, fmt::format("\"{}\" is no size", text.substr(0, 40)),
                "Write it as 10% or 20GB.");
  };
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) return wrong();
  std::string_view unit(rest, text.data() + text.size());
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (unit == "%" && number <= 100) return DiskLimit{.percent = number};
  if (unit.empty() && number == 0) return DiskLimit{};
  for (const auto& [name, shift] : kUnits) {
    if (unit == name && number < 1e6)
      return DiskLimit{.bytes = static_cast<std::uint64_t>(std::ldexp(number, shift))};
  }
  return wrong();
}

std::string size_text(std::uint64_t bytes) {
  for (auto unit = kUnits.rbegin(); unit != kUnits.rend(); ++unit) {
    const std::uint64_t whole = bytes >> unit->second;
    if (whole >= 10 || (whole > 0 && unit->second == 10))
      return fmt::format("{} {}", whole, unit->first);
  }
  return fmt::format("{} bytes", bytes);
}

DiskLevel disk_level(const DiskFacts& facts, const DiskConfig& config, DiskLevel before) {
  const DiskLevel data = level_of(facts.data, config, before);
  return facts.wal ? std::max(data, level_of(*facts.wal, config, before)) : data;
}

std::uint64_t ballast_wanted(const Volume& volume, const DiskConfig& config, DiskLevel level) {
  if (level == DiskLevel::critical) return 0;
  if (volume.ballast != 0) return volume.ballast;
  const std::uint64_t size = std::min(config.ballast, volume.capacity / 100);
  const std::uint64_t low = config.low.of(volume);
  const bool roomy = level == DiskLevel::ok && volume.available > low + low / 4 + size;
  return roomy ? size : 0;
}

std::string room_text(const DiskFacts& facts) {
  const bool wal = facts.wal && share_left(*facts.wal) < share_left(facts.data);
  const Volume& volume = wal ? *facts.wal : facts.data;
  return fmt::format("{} of {} are left on the {} volume", size_text(volume.available),
                     size_text(volume.capacity), wal ? "WAL" : "data");
}

}  // namespace aurum::model
