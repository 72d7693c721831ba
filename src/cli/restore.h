#pragma once

namespace aurum::cli {

/// `aurum restore …` on a database node: writes what is wanted to the store, where the agents find
/// it, and shows how far they are.
int restore_main(int argc, char** argv);

}  // namespace aurum::cli
