#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace aurum::cli {

/// Opens `text` in $EDITOR (else `editor`, else `vi`) on a private temporary file and returns what
/// was saved.
Result<std::string> edit_text(std::string_view text, std::string_view name);

}  // namespace aurum::cli
