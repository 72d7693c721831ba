#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "fence/guard_client.h"
#include "pg/launcher.h"

namespace aurum::agent {

/// The guard as pg/ wants to see it. The connection may be replaced by one to a new guard.
class Agent::GuardLauncher : public pg::Launcher {
 public:
  /// The former connection is kept: a coroutine may still wait on it, and hears of its end.
  void use(std::unique_ptr<fence::GuardClient> guard) {
    if (guard_) former_.push_back(std::move(guard_));
    guard_ = std::move(guard);
  }

  runtime::Task<Result<int>> launch(std::vector<std::string> argv, std::vector<std::string> env,
                                    std::string working_dir) override {
    return guard_->launch(std::move(argv), std::move(env), std::move(working_dir));
  }
  Status signal(int pid, int signo) override { return guard_->signal(pid, signo); }
  runtime::Task<Status> kill_all(int pid, Duration timeout) override {
    return guard_->kill_all(pid, timeout);
  }
  runtime::Task<Status> adopt(int pid) override { return guard_->adopt(pid); }
  runtime::Task<Status> watchdog(std::string device, std::string driver, Duration timeout,
                                 Duration tail) {
    return guard_->watchdog(std::move(device), std::move(driver), timeout, tail);
  }
  runtime::Task<Status> end(Duration timeout) { return guard_->end(timeout); }

 private:
  std::unique_ptr<fence::GuardClient> guard_;
  std::vector<std::unique_ptr<fence::GuardClient>> former_;
};

}  // namespace aurum::agent
