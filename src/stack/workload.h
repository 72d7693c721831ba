#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "stack/cluster.h"
#include "stack/history.h"

namespace aurum::stack {

struct WorkloadSettings {
  int clients = 4;
  double rate = 200;  ///< rows a second, all clients together
  Duration answer_deadline =
      seconds(1);  ///< a client gives an answer up after this and connects anew
  Duration connect_deadline = milliseconds(500);  ///< for one attempt over all hosts
  std::int64_t first_id = 1;                      ///< so that two workloads write to one table
  /// Where they connect; "" = every node, by libpq's own choice of the one that takes writes.
  std::string conninfo = {};
  std::string network_namespace = {};  ///< clients live there, a name under /run/netns; "" = ours
};

/// Clients which write unique rows at a steady rate through libpq's multi-host connection with
/// target_session_attrs=read-write, as an application would, and keep the history of what was
/// acknowledged. A slot missed during an outage is not made up later. Each attempt begins at the
/// next host, so that a frozen one does not hold a client longer than `connect_deadline`.
class Workload {
 public:
  /// Makes the table on the leader.
  static Result<std::unique_ptr<Workload>> start(const Cluster& cluster,
                                                 WorkloadSettings settings = {});
  ~Workload();
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  /// Returns when no write is under way: all that were begun are in the history.
  void pause();
  void resume();
  /// What the next write will have; every one that was begun before has a smaller one.
  std::int64_t next_id() const { return next_id_; }
  /// Ends the clients; their last writes are finished or given up.
  void stop();
  const History& history() const { return history_; }
  /// Waits for an acknowledgement of a write sent after `moment`.
  bool wait_for_write(Instant moment, Duration timeout) const;

 private:
  Workload(std::vector<std::string> conninfos, WorkloadSettings settings);
  void client(std::size_t index);

  std::vector<std::string> conninfos_;  ///< the same hosts, each beginning with another one
  WorkloadSettings settings_;
  History history_;
  std::atomic<bool> stop_{false}, paused_{false};
  std::atomic<int> under_way_{0};
  std::atomic<std::int64_t> next_id_{1};
  std::vector<std::jthread> threads_;
};

/// All ids in the table, read from the present leader. Tries again until the deadline.
Result<std::set<std::int64_t>> read_rows(const Cluster& cluster, Duration timeout = seconds(30));

}  // namespace aurum::stack
