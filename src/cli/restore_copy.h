#pragma once

#include "cli/restore_options.h"
#include "cli/world.h"
#include "model/config.h"

namespace aurum::cli {

/// `--to-new-cluster` and `--as-replica`: a data directory made of a backup, on this host; the
/// cluster it is of goes on. Gives the exit code.
Result<int> make_copy(const RestoreOptions& options, const model::LocalConfig& config,
                      World& world);

/// `aurum backup … test …`: whether that is what is asked for, and the command.
bool is_restore_trial(int argc, char** argv);
int restore_trial_main(int argc, char** argv);

}  // namespace aurum::cli
