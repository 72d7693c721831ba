#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "stack/bench.h"
#include "stack/bench_page.h"
#include "stack/bench_record.h"
#include "stack/interrupts.h"
#include "stack/scratch.h"
#include "stack/workload.h"

namespace aurum::stack {

struct FailoverOptions {
  std::vector<std::string> events = {"pg-kill",    "switchover", "node-kill",       "agent-kill",
                                     "agent-stop", "pg-freeze",  "etcd-leader-kill"};
  int runs = 5;
  int clients = 4;
  double rate = 200;
  std::vector<std::string> agents;
  int ttl = 0;
  bool sync = false;
  bool failsafe = false;
  std::string through = "libpq";
  int heal_after = 60;  ///< seconds; of the events that last
  std::string json_file, out_file;
  bool markdown = false;
};

/// One fault on one cluster, as it was done.
struct Run {
  Fault fault{};
  int repetition = 1;
  Instant at;                             ///< just before the fault
  Instant healed;                         ///< just before it was undone
  Instant until;                          ///< healthy again
  std::int64_t first_id = 0, end_id = 0;  ///< writes begun in between; the end is not one of them
  std::size_t leader = 0;                 ///< before it
  PhaseWatch::Phases phases;
  std::string note;  ///< what did not go as it should; "" = all well
};

/// One cluster under test: an agent with what was done to it.
class Arm {
 public:
  /// A cluster that stands, with clients that wait.
  static Result<std::unique_ptr<Arm>> start(const std::string& agent,
                                            const FailoverOptions& options);

  /// Does it, heals it, waits for health. The clients write meanwhile and stand still at the end.
  void run(Fault fault, int repetition, Duration heal_after, Interrupts& interrupts);
  void forget_last_run() { runs_.pop_back(); }
  /// Compares the history so far with the rows that are there. While clients stand still. Outages
  /// and phases stay true when no node lets the rows be read; then all of them count as lost.
  void judge();

  const AgentRecord& record() const { return record_; }
  const std::vector<RunRecord>& runs() const { return records_; }  ///< as of the last judge()
  Cluster& cluster() { return scratch_->cluster(); }

 private:
  Arm() = default;
  bool wait_healthy(Interrupts& interrupts, Duration timeout);
  void inject(const Run& run, std::size_t etcd);
  Status heal(const Run& run, std::size_t etcd);
  void recover(Run& run, std::size_t etcd, Interrupts& interrupts);
  void watch_event(Run& run, const LeaderKey& before, std::size_t etcd, Duration heal_after,
                   Interrupts& interrupts);
  Past judge_deadline(const Run& run, const std::vector<Reign>& reigns, const Acknowledged& row);
  RunRecord record_of(const Run& run, const std::vector<Acknowledged>& acked,
                      const Verdict& verdict, Instant from, Instant until);

  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<PageWatch> pages_;  ///< of our own agent
  std::unique_ptr<Workload> workload_;
  AgentRecord record_;
  std::vector<Run> runs_;
  std::vector<RunRecord> records_;
  std::vector<std::vector<PageSpan>> spans_;  ///< of each node, as of the last judge()
};

}  // namespace aurum::stack
