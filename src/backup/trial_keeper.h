#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backup/agent_view.h"
#include "backup/lease_lock.h"
#include "backup/run_deadline.h"
#include "backup/schedule.h"
#include "runtime/log.h"
#include "runtime/pool.h"
#include "runtime/process.h"

namespace aurum::backup {

/// The scheduled restore tests, as far as this node has to do with them: when it is its turn, it
/// takes the cluster's lock for them and runs `aurum backup test --scheduled` below
/// `aurum backup-run`.
///
/// What must stay true: what the test has started ends with the test, and its scratch folder goes,
/// whoever is killed. backup-run sees to it when the test, or the agent, has gone; when backup-run
/// was killed too, the next agent on this node does (tests/backups_test.cc).
class TrialKeeper {
 public:
  TrialKeeper(KeeperSetting setting, dcs::Store& store, runtime::Logger& log)
      : setting_(std::move(setting)), store_(store), log_(log) {}

  /// At each tick; `sources`: who could do it.
  void consider(const AgentView& view, std::vector<Source> sources);
  /// The agent is about to end: so does the test.
  void stop();

 private:
  bool is_my_turn(const AgentView& view, std::vector<Source> sources);
  /// A test that runs here ends, and says why.
  void end_test(std::string why);
  void begin(const AgentView& view);
  Task<void> do_test(TrialState seen, Duration ttl);
  Task<TrialState> test_under(LeaseLock& lock, TrialState state, TrialTry own);
  Task<Result<runtime::ProcessEnd>> run_program();
  Task<void> keep(LeaseLock& lock);
  void tell(const TrialState& state);
  void sweep();

  KeeperSetting setting_;
  dcs::Store& store_;
  runtime::Logger& log_;
  runtime::Pool pool_{1};
  bool stopped_ = false, busy_ = false, sweeping_ = false;
  Instant swept_;
  std::optional<Instant> due_since_;
  std::optional<RunDeadline> deadline_;  ///< of the test that runs here
  std::string end_why_;                  ///< "" = nobody has ended it
  std::string doing_;                    ///< "restored 45 %"
};

}  // namespace aurum::backup
