#pragma once

namespace aurum::cli {

/// `aurum secrets …`: passwords of a cluster, and their change. 0, 1 after an error, 2 after wrong
/// usage.
int secrets_main(int argc, char** argv);

}  // namespace aurum::cli
