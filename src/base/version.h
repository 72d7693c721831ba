#pragma once

#include <string_view>

namespace aurum {

inline constexpr std::string_view kAurumVersion = "0.1.0";

/// The Patroni whose surface we offer; members, REST and `patroni --version` show it, because tools
/// and other members compare it (PATRONI_COMPAT §1.6).
inline constexpr std::string_view kPatroniVersion = "4.1.4";

}  // namespace aurum
