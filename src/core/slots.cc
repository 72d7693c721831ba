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

}  // namespace

ChangeSlots plan_slots(const SlotView& view) {
  std::set<std::string> wanted;
  for (const auto& member : view.members) wanted.insert(model::slot_name(member));
  std::set<std::string> permanent;
  for (const auto& slot : view.config->slots) {
    permanent.insert(slot.name);
    if (slot.cluster_type == "standby") continue;  // only in a standby cluster
    // A member's own name: that slot is for others to keep, never for itself.
    if (!slot.logical && slot.name != model::slot_name(view.self)) wanted.insert(slot.name);
  }

  ChangeSlots change;
  std::set<std::string> present;
  for (const model::Slot& slot : view.facts->slots) {
    present.insert(slot.name);
    if (slot.temporary) continue;
    if (!wanted.contains(slot.name)) {
      const bool ours = !view.keep_unknown && !slot.active && !slot.logical && !slot.failover &&
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
    if (slot.restart_lsn && *slot.restart_lsn < target)
      change.advance.emplace_back(slot.name, target);
  }
  for (const auto& name : wanted) {
    if (!present.contains(name)) change.create.push_back(name);
  }
  for (const auto& slot : view.config->slots) {
    const bool here = view.primary && slot.logical && slot.cluster_type != "standby";
    if (here && !present.contains(slot.name)) change.create_logical.push_back(slot);
  }
  return change;
}

model::ClusterStatus leader_status(const model::PgFacts& facts, const std::string& self,
                                   const std::vector<std::string>& retained_members) {
  model::ClusterStatus status;
  status.optime = facts.flush_lsn;
  for (const model::Slot& slot : facts.slots) {
    if (slot.temporary) continue;
    const auto& lsn = slot.logical ? slot.confirmed_flush_lsn : slot.restart_lsn;
    if (lsn) status.slots[slot.name] = *lsn;
  }
  status.slots[model::slot_name(self)] = facts.flush_lsn;
  status.retain_slots.push_back(model::slot_name(self));
  for (const auto& name : retained_members) status.retain_slots.push_back(model::slot_name(name));
  std::sort(status.retain_slots.begin(), status.retain_slots.end());
  return status;
}

}  // namespace aurum::core
