#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "fence/guard_client.h"
#include "pg/launcher.h"

namespace aurum::agent {

/// The guard as pg/ wants to see it.
class Agent::GuardLauncher : public pg::Launcher {
 public:
  explicit GuardLauncher(fence::GuardClient& guard) : guard_(guard) {}

  runtime::Task<Result<int>> launch(std::vector<std::string> argv, std::vector<std::string> env,
                                    std::string working_dir) override {
    return guard_.launch(std::move(argv), std::move(env), std::move(working_dir));
  }
  Status signal(int pid, int signo) override { return guard_.signal(pid, signo); }
  runtime::Task<Status> kill_all(int pid, Duration timeout) override {
    return guard_.kill_all(pid, timeout);
  }
  runtime::Task<Status> adopt(int pid) override { return guard_.adopt(pid); }

 private:
  fence::GuardClient& guard_;
};

}  // namespace aurum::agent
