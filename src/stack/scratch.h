#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "stack/cluster.h"

namespace aurum::stack {

/// A cluster for one test or bench: a temporary folder, gone with all its processes when the object
/// goes, also on failure. AURUM_KEEP=1 keeps the folder (not the processes) for a look at the logs.
class Scratch {
 public:
  /// Makes the folder and a plan on free ports, and nothing else: change plan(), then start().
  static Result<std::unique_ptr<Scratch>> make(int nodes = 3, int etcds = 3);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  Plan& plan() { return plan_; }
  /// Etcd, then all nodes at once, then health.
  Status start(Duration timeout = seconds(60));
  /// Folder and configurations only, for tests that start parts themselves.
  Status create();
  Cluster& cluster() { return *cluster_; }  ///< after start() or create()

 private:
  explicit Scratch(Plan plan) : plan_(std::move(plan)) {}
  Plan plan_;
  std::unique_ptr<Cluster> cluster_;
};

/// Ends and removes what runs of tests left behind that were killed themselves. make() calls it.
void sweep_scratches();

}  // namespace aurum::stack
