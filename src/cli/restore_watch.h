#pragma once

#include <string>

#include "cli/console.h"
#include "cli/world.h"

namespace aurum::cli {

/// "a: replays WAL up to …": what one step of a restore means for people.
std::string step_sentence(const model::Restore& restore);
/// The state of a restore on a few lines.
std::string render_restore(const model::ClusterView& view);
std::string restore_json(const model::ClusterView& view);

/// Shows one step after the other until the operator is wanted, or all is done; gives the exit
/// code.
int watch_restore(World& world, const ClusterId& cluster, Console& console);

}  // namespace aurum::cli
