#pragma once

#include <string>
#include <vector>

namespace aurum::stack {

struct RestBenchOptions {
  std::vector<std::string> agents;  ///< commands; each gets a cluster, and they take turns
  int seconds = 5;                  ///< of asking, for each agent and round
  int rounds = 3;
  int idle_s = 60;  ///< how long nothing is done while writes to etcd are counted
  bool tls = false;
  std::string json_file;
};

/// `aurum bench rest`: how fast GET /primary is answered, how much an idle cluster writes to etcd,
/// what an agent weighs. The exit code.
int run_rest_bench(const RestBenchOptions& options);

}  // namespace aurum::stack
