#include <algorithm>
#include <array>

#include "model/cluster.h"

namespace aurum::model {
namespace {

bool truth(const Value& tags, std::string_view key) {
  const Value* tag = tags.find(key);
  return tag != nullptr && read_bool(*tag).value_or(false);
}

/// The boolean tag wins over the priority tag which says the same thing by number.
bool excluded(const Value& tags, std::string_view flag, std::string_view priority) {
  if (const Value* tag = tags.find(flag))
    if (const auto value = read_bool(*tag)) return *value;
  if (const Value* tag = tags.find(priority))
    if (const auto value = read_int(*tag)) return *value <= 0;
  return false;
}

int priority_of(const Value& tags, std::string_view flag, std::string_view priority) {
  if (excluded(tags, flag, priority)) return 0;
  const Value* tag = tags.find(priority);
  const auto value = tag == nullptr ? std::nullopt : read_int(*tag);
  if (!value || *value <= 0) return 1;
  return static_cast<int>(std::min<std::int64_t>(*value, 1'000'000'000));
}

}  // namespace

bool tag_nofailover(const Member& m) { return excluded(m.tags, "nofailover", "failover_priority"); }
int tag_failover_priority(const Member& m) {
  return priority_of(m.tags, "nofailover", "failover_priority");
}
bool tag_nosync(const Member& m) { return excluded(m.tags, "nosync", "sync_priority"); }
int tag_sync_priority(const Member& m) { return priority_of(m.tags, "nosync", "sync_priority"); }
bool tag_noloadbalance(const Member& m) { return truth(m.tags, "noloadbalance"); }
bool tag_clonefrom(const Member& m) { return truth(m.tags, "clonefrom"); }
bool tag_nostream(const Member& m) { return truth(m.tags, "nostream"); }

std::string tag_replicatefrom(const Member& m) {
  const Value* tag = m.tags.find("replicatefrom");
  return tag != nullptr && !tag->is_array() && !tag->is_object() ? tag->text() : std::string();
}

Value effective_tags(const Value& configured) {
  if (!configured.is_object()) return {};
  static constexpr std::array<std::string_view, 5> only_when_true = {
      "clonefrom", "nofailover", "noloadbalance", "nosync", "nostream"};
  Value result;
  for (const auto& [key, value] : configured.as_object()) {
    const bool with_priority = (key == "nofailover" && configured.find("failover_priority")) ||
                               (key == "nosync" && configured.find("sync_priority"));
    const bool plain_flag = std::ranges::find(only_when_true, key) != only_when_true.end();
    if (!plain_flag || with_priority || truth(configured, key)) result.set(key, value);
  }
  return result;
}

}  // namespace aurum::model
