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
  /// On a replica: how far the leader says each slot is.
  const std::map<std::string, model::Lsn>* leader_slots = nullptr;
};

/// What is missing, too much, or behind.
ChangeSlots plan_slots(const SlotView& view);

/// The `status` key of a leader (§1.2).
model::ClusterStatus leader_status(const model::PgFacts& facts, const std::string& self,
                                   const std::vector<std::string>& retained_members);

}  // namespace aurum::core
