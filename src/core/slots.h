#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/job.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/postgres.h"

/// Replication slots (PATRONI_COMPAT §8.10).
namespace aurum::core {

struct SlotView {
  const model::PgFacts* facts = nullptr;
  const model::DynamicConfig* config = nullptr;
  std::string self;
  bool primary = false;
  std::vector<std::string> members;  ///< other members that shall keep a slot here
  bool keep_unknown = false;         ///< maintenance mode: nothing is dropped
  bool nostream = false;             ///< a replica without logical slots
  /// On a replica: how far the leader says each slot is.
  const std::map<std::string, model::Lsn>* leader_slots = nullptr;
};

/// What is missing, too much, or behind.
ChangeSlots plan_slots(const SlotView& view);

/// Permanent logical slots that the leader has and this replica has not.
std::vector<model::SlotConfig> missing_logical_slots(const SlotView& view);
/// Whether replicas keep logical slots: they send feedback then.
bool has_logical_slots(const model::DynamicConfig& config);

/// The `status` key of a leader (§1.2).
model::ClusterStatus leader_status(const model::PgFacts& facts, const std::string& self,
                                   const std::vector<std::string>& retained_members);

}  // namespace aurum::core
