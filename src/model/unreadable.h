#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/cluster.h"

namespace aurum::model {

/// Why decode_cluster() takes this key as absent, or as less than it was meant to be: "config is
/// not valid JSON: …". Nothing when it reads well, and for keys that it does not know.
std::optional<std::string> why_unreadable(const KeyValue& kv);

/// Whether `initialize` is what is left of an identifier rather than another cluster's: it holds
/// something else than digits, too many of them, or only the first ones of ours. "" is neither.
bool is_damaged_identifier(std::string_view initialize, std::string_view ours);

}  // namespace aurum::model
