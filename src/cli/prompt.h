#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/console.h"

namespace aurum::cli {

/// Asks "TEXT [FALLBACK]: " and reads a line; an empty answer gives the fallback. End of input is
/// Code::cancelled with the message "Aborted!": nobody is there to agree to anything.
Result<std::string> ask(Console& console, std::string_view text, std::string_view fallback);

/// Asks "TEXT: " until a line is not empty.
Result<std::string> ask(Console& console, std::string_view text);

/// Asks "Password:"; on a terminal what is typed is not shown.
Result<std::string> ask_password(Console& console);

/// Asks "QUESTION [y/N]: " until the answer is y, yes, n, no (any case) or empty (no). End of input
/// as in ask().
Result<bool> confirm(Console& console, std::string_view question);

}  // namespace aurum::cli
