#pragma once

#include <string_view>

#include "base/result.h"

/// What pgBackRest says when it fails, as one line and one hint. Pure.
namespace aurum::backup {

/// Why, from its messages: "unable to open file '/repo/…' for read: [13] Permission denied"; ""
/// when they hold no error.
std::string failure_reason(std::string_view messages);

/// The Error of a run of `pgbackrest <command>` that ended with `exit_code`.
Error explain_failure(std::string_view command, int exit_code, std::string_view messages);

}  // namespace aurum::backup
