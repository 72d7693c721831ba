#pragma once

#include <string>

namespace aurum::cli {

/// `aurum ctl …` and, by its link, `patronictl …` (PATRONI_COMPAT §4). argv[0] is skipped;
/// `program_name` is what help and usage call it, and as "patronictl" the output is exactly
/// Patroni's: no colours. Returns the exit code: 0, 1 after "Error: …" on standard error, 2 after a
/// usage error.
int ctl_main(int argc, char** argv, std::string program_name);

}  // namespace aurum::cli
