#include "core/sync_quorum.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/sync_standbys.h"

namespace aurum::core {

using model::contains_name;

namespace {

using Names = std::vector<std::string>;

int size(const Names& names) { return static_cast<int>(names.size()); }

Names both(Names some, const Names& others) {
  for (const auto& name : others) {
    if (!contains_name(some, name)) some.push_back(name);
  }
  return some;
}

int common(const Names& some, const Names& others) {
  return static_cast<int>(std::count_if(
      some.begin(), some.end(), [&](const auto& name) { return contains_name(others, name); }));
}

/// Who is elected by the new key would have been elected by the old one too.
bool asks_no_less(const model::SyncKey& now, const model::SyncKey& then) {
  return then.quorum >= now.quorum + size(then.members) - common(then.members, now.members);
}

}  // namespace

SyncSetting parse_sync_setting(const std::string& value) {
  SyncSetting setting{.names = parse_sync_names(value), .needed = 1};
  if (setting.names.empty()) return {};
  const auto list = value.find('(');
  if (list == std::string::npos) return setting;
  const auto digit = value.find_first_of("0123456789");
  if (digit < list) std::from_chars(value.data() + digit, value.data() + list, setting.needed);
  setting.needed = std::clamp(setting.needed, 1, size(setting.names));
  return setting;
}

std::string render_quorum(const SyncSetting& setting, bool strict) {
  if (setting.names.empty()) return strict ? "ANY 1 (*)" : "";
  std::vector<std::string> quoted;
  for (const auto& name : setting.names) quoted.push_back(render_sync_names({name}, false));
  return fmt::format("ANY {} ({})", setting.needed, fmt::join(quoted, ","));
}

bool elects_nobody(const model::SyncKey& key) { return key.quorum + 1 > size(key.members); }

bool keeps_promise(const model::SyncKey& key, const SyncSetting& setting) {
  return elects_nobody(key) ||
         key.quorum + setting.needed >= size(both(key.members, setting.names));
}

QuorumStep plan_quorum(const model::SyncKey& key, const SyncSetting& in_force,
                       const SyncSetting& wanted, const Names& holders, bool settled) {
  using What = QuorumStep::What;
  const int quorum = size(wanted.names) - wanted.needed;
  const model::SyncKey goal{.leader = key.leader, .members = wanted.names, .quorum = quorum};
  const bool there = key.quorum == quorum && size(key.members) == size(wanted.names) &&
                     common(key.members, wanted.names) == size(wanted.names);
  if (!there) {
    // What was acknowledged before this setting: its holders are in every election, or every
    // election would have been one before.
    const bool old_rows = goal.quorum + common(goal.members, holders) >= size(goal.members) ||
                          elects_nobody(goal) || asks_no_less(key, goal);
    if (old_rows && keeps_promise(goal, in_force)) return {What::write_key, goal.members, quorum};
  }
  if (settled) return {};
  if (keeps_promise(key, wanted)) return {What::change_setting};
  // An election asks more first, so that then commits may ask less, or others.
  const Names all = both(key.members, wanted.names);
  const int raised =
      std::max({size(all) - wanted.needed, size(both(all, in_force.names)) - in_force.needed,
                key.quorum + size(all) - size(key.members)});
  return {What::write_key, all, std::min(raised, size(all))};
}

}  // namespace aurum::core
