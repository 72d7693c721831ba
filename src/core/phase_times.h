#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "model/succession.h"

namespace aurum::core {

/// How long each part of this agent's own successions took, for metrics.
struct PhaseTimes {
  static constexpr std::size_t kPhases = 5;
  static constexpr std::array<std::string_view, kPhases> kNames = {"detect", "acquire", "promote",
                                                                   "open", "total"};
  static constexpr std::array<Duration, 8> kBounds = {
      milliseconds(100),  milliseconds(250),  milliseconds(500),   milliseconds(1000),
      milliseconds(2500), milliseconds(5000), milliseconds(10000), milliseconds(30000)};
  struct Phase {
    std::array<std::uint64_t, kBounds.size()> within{};
    std::uint64_t count = 0;
    Duration sum{};
  };
  std::array<Phase, kPhases> phases{};
  void add(const model::Succession& told);
};

}  // namespace aurum::core
