#pragma once

#include <string>

namespace aurum::dcs {

/// Why this etcd release should not hold a lease; "" when it may. Of FAILURES F4 to F6:
/// 3.5.28 and 3.6.9 are the first releases without them.
std::string etcd_version_warning(const std::string& version);

}  // namespace aurum::dcs
