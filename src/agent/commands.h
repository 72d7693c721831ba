#pragma once

namespace aurum::agent {

/// `aurum agent [options] [patroni.yml]`, also reached as `patroni`. `program_name` is what help
/// and version print.
int agent_main(int argc, char** argv, const char* program_name);

/// `aurum run [patroni.yml]`: becomes a guard that keeps the agent; does not return when that went
/// well.
int run_main(int argc, char** argv);

/// `aurum health [/path]`: asks this node's own agent; the exit code is the answer.
int health_main(int argc, char** argv);

}  // namespace aurum::agent
