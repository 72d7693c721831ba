#pragma once

namespace aurum::cli {

/// `aurum doctor`: the production checklist, judged for the cluster of this node.
int doctor_main(int argc, char** argv);

}  // namespace aurum::cli
