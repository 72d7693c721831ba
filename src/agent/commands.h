#pragma once

namespace aurum::agent {

/// `aurum agent [options] [patroni.yml]`, also reached as `patroni`. `program_name` is what help
/// and version print.
int agent_main(int argc, char** argv, const char* program_name);

}  // namespace aurum::agent
