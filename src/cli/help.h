#pragma once

#include <string>
#include <string_view>

#include "cli/options.h"

/// Help texts. They teach by example, because people copy the line and change the name.
namespace aurum::cli {

/// `aurum --help`.
std::string main_help();
/// `aurum --version`: "aurum 0.1.0".
std::string aurum_version_line();
/// `patroni --version` of the compatibility link: "patroni 4.1.4".
std::string patroni_version_line();

/// The two of `aurum` on standard output; the exit code.
int print_help();
int print_version();

/// `aurum ctl --help`; `program` as the user called it.
std::string ctl_help(std::string_view program);
std::string command_help(const CommandSpec& command, std::string_view program);

/// The two lines above a usage error.
std::string usage_lines(const CommandSpec* command, std::string_view program);

}  // namespace aurum::cli
