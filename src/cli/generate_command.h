#pragma once

namespace aurum::cli {

/// Whether this is `aurum agent --generate-config …` or `--generate-sample-config …`.
bool is_generate(int argc, char** argv);
/// Runs it. `program_name` is what messages call us.
int generate_main(int argc, char** argv, const char* program_name);

}  // namespace aurum::cli
