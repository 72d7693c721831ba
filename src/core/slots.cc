#include "core/slots.h"

#include <algorithm>
#include <set>

namespace aurum::core {

namespace {

/// Every attribute given in an entry of ignore_slots must match (§3.4).
bool ignored(const model::Slot& slot, const model::Value& ignore_slots) {
  if (!ignore_slots.is_array()) return false;
  return std::any_of(ignore_slots.as_array().begin(), ignore_slots.as_array().end(),
                     [&](const model::Value& entry) {
                       if (!entry.is_object() || entry.empty()) return false;
                       const auto matches = [&](const char* key, const std::string& value) {
                         const model::Value* wanted = entry.find(key);
                         return wanted == nullptr || wanted->text() == value;
                       };
                       return matches("name", slot.name) &&
                              matches("type", slot.logical ? "logical" : "physical") &&
                              matches("database", slot.database) && matches("plugin", slot.plugin);
                     });
}

/// `cluster_type`: only while the cluster is a primary one, or only while it is a standby cluster.
bool belongs_here(const model::SlotConfig& slot, const model::DynamicConfig& config) {
  if (slot.cluster_type == "standby") return config.standby_cluster.has_value();
  if (slot.cluster_type == "primary") return !config.standby_cluster.has_value();
  return true;
}

}  // namespace

ChangeSlots plan_slots(const SlotView& view) {
  std::set<std::string> wanted;
  for (const auto& member : view.members) wanted.insert(model::slot_name(member));
  std::set<std::string> permanent, logical;
  for (const auto& slot : view.config->slots) {
    permanent.insert(slot.name);
    if (!belongs_here(slot, *view.config)) continue;
    if (slot.logical && !view.nostream) logical.insert(slot.name);
    // A member's own name: that slot is for others to keep, never for itself.
    if (!slot.logical && slot.name != model::slot_name(view.self)) wanted.insert(slot.name);
  }

  ChangeSlots change;
  std::set<std::string> present;
  for (const model::Slot& slot : view.facts->slots) {
    present.insert(slot.name);
    if (slot.temporary) continue;
    // On a replica they move behind the leader's: then its consumer goes on here after a failover.
    const bool follows = !view.primary && slot.logical && logical.contains(slot.name);
    if (!wanted.contains(slot.name) && !follows) {
      // A logical one of a primary may be anybody's; those of a replica are copies of ours.
      const bool mine = !slot.logical || !view.primary;
      const bool ours = !view.keep_unknown && !slot.active && mine && !slot.failover &&
                        !permanent.contains(slot.name) && !ignored(slot, view.config->ignore_slots);
      if (ours) change.drop.push_back(slot.name);
      continue;
    }
    if (slot.wal_status == "lost" && !slot.active) {
      change.drop.push_back(slot.name);  // made anew at the next look
      continue;
    }
    if (view.primary || view.leader_slots == nullptr || slot.active || !view.facts->replayed_lsn)
      continue;
    const auto at = view.leader_slots->find(slot.name);
    if (at == view.leader_slots->end()) continue;
    const model::Lsn target = std::min(at->second, *view.facts->replayed_lsn);
    const auto& position = slot.logical ? slot.confirmed_flush_lsn : slot.restart_lsn;
    if (position && *position < target) change.advance.emplace_back(slot.name, target);
  }
  for (const auto& name : wanted) {
    if (!present.contains(name)) change.create.push_back(name);
  }
  for (const auto& slot : view.config->slots) {
    const bool here = view.primary && slot.logical && belongs_here(slot, *view.config);
    if (here && !present.contains(slot.name)) change.create_logical.push_back(slot);
  }
  return change;
}

bool has_logical_slots(const model::DynamicConfig& config) {
  return std::any_of(config.slots.begin(), config.slots.end(), [&](const model::SlotConfig& slot) {
    return slot.logical && belongs_here(slot, config);
  });
}

std::vector<model::SlotConfig> missing_logical_slots(const SlotView& view) {
  std::vector<model::SlotConfig> missing;
  if (view.primary || view.nostream || view.leader_slots == nullptr) return missing;
  for (const auto& slot : view.config->slots) {
    const bool here = std::any_of(view.facts->slots.begin(), view.facts->slots.end(),
                                  [&](const model::Slot& s) { return s.name == slot.name; });
    const bool there = view.leader_slots->contains(slot.name);
    if (slot.logical && belongs_here(slot, *view.config) && !here && there) missing.push_back(slot);
  }
  return missing;
}

model::ClusterStatus leader_status(const model::PgFacts& facts, const std::string& self,
                                   const std::vector<std::string>& retained_members) {
  model::ClusterStatus status;
  status.optime = facts.position();
  for (const model::Slot& slot : facts.slots) {
    if (slot.temporary) continue;
    const auto& lsn = slot.logical ? slot.confirmed_flush_lsn : slot.restart_lsn;
    if (lsn) status.slots[slot.name] = *lsn;
  }
  status.slots[model::slot_name(self)] = facts.position();
  status.retain_slots.push_back(model::slot_name(self));
  for (const auto& name : retained_members) status.retain_slots.push_back(model::slot_name(name));
  std::sort(status.retain_slots.begin(), status.retain_slots.end());
  return status;
}

}  // namespace aurum::core
