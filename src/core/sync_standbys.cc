#include "core/sync_standbys.h"

#include <algorithm>
#include <cctype>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/sync_quorum.h"

namespace aurum::core {

using model::contains_name, model::SyncMode;

namespace {

const model::WalSender* sender_of(const model::PgFacts& facts, const std::string& name) {
  for (const model::WalSender& s : facts.senders) {
    if (model::same_name(s.application_name, name) && s.state == "streaming") return &s;
  }
  return nullptr;
}

model::Lsn relevant_lsn(const model::PgFacts& facts, const model::WalSender& sender) {
  if (facts.synchronous_commit == "remote_apply") return sender.replay_lsn;
  if (facts.synchronous_commit == "remote_write") return sender.write_lsn;
  return sender.flush_lsn;
}

bool is_plain_identifier(const std::string& name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front()))) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string quoted(const std::string& name) {
  if (is_plain_identifier(name)) return name;
  std::string out = "\"";
  for (char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

SyncStep write_members(const SyncView& view, std::vector<std::string> members, std::string reason,
                       int quorum = 0) {
  SyncStep step{
      .what = SyncStep::What::write_key, .key = view.cluster->sync, .reason = std::move(reason)};
  step.key.leader = view.self;
  step.key.members = sorted(std::move(members));
  step.key.quorum = quorum;
  return step;
}

struct Candidate {
  bool nofailover = false;
  int priority = 0;
  int already = 0;  ///< 2: in the key, 1: waited for, on its way into the key
  model::Lsn lsn;
  std::string name;
};

/// Best first.
std::vector<Candidate> candidates_of(const SyncView& view) {
  const auto in_force = parse_sync_names(view.facts->synchronous_standby_names);
  std::vector<Candidate> candidates;
  model::Lsn newest;
  for (const auto& [name, member] : view.cluster->members) {
    const model::WalSender* sender = sender_of(*view.facts, name);
    if (name == view.self || sender == nullptr || model::tag_nosync(member)) continue;
    const model::Lsn lsn = relevant_lsn(*view.facts, *sender);
    newest = std::max(newest, lsn);
    candidates.push_back({model::tag_nofailover(member), model::tag_sync_priority(member),
                          view.cluster->sync.has(name)    ? 2
                          : contains_name(in_force, name) ? 1
                                                          : 0,
                          lsn, name});
  }
  if (view.config->maximum_lag_on_syncnode > 0) {
    const auto limit = static_cast<std::uint64_t>(view.config->maximum_lag_on_syncnode);
    std::erase_if(candidates,
                  [&](const Candidate& c) { return newest.value - c.lsn.value > limit; });
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tuple(a.nofailover, -a.priority, -a.already, ~a.lsn.value, a.name) <
           std::tuple(b.nofailover, -b.priority, -b.already, ~b.lsn.value, b.name);
  });
  return candidates;
}

std::size_t node_count(const SyncView& view) {
  return static_cast<std::size_t>(std::max(1, view.config->synchronous_node_count));
}

/// Who has what was acknowledged before the setting in force, which waits for it.
std::vector<std::string> holders(const SyncView& view) {
  std::vector<std::string> names;
  for (const auto& [name, member] : view.cluster->members) {
    const model::WalSender* sender = sender_of(*view.facts, name);
    const bool waits =
        sender != nullptr && (sender->sync_state == "sync" || sender->sync_state == "quorum");
    const bool holds =
        waits && view.setting_since && relevant_lsn(*view.facts, *sender) >= *view.setting_since;
    if (holds) names.push_back(name);
  }
  return names;
}

SyncStep set_names(std::string names) {
  return {.what = SyncStep::What::set_names,
          .names = names,
          .reason = fmt::format("setting synchronous_standby_names to '{}'", names)};
}

/// Towards a quorum, and from one back to a list that is waited for whole.
SyncStep plan_votes(const SyncView& view, const SyncSetting& wanted, const std::string& names) {
  const model::SyncKey& key = view.cluster->sync;
  const bool settled = view.facts->synchronous_standby_names == names;
  const QuorumStep step =
      plan_quorum(key, parse_sync_setting(view.facts->synchronous_standby_names), wanted,
                  holders(view), settled);
  switch (step.what) {
    case QuorumStep::What::none:
      return {};
    case QuorumStep::What::change_setting:
      return set_names(names);
    case QuorumStep::What::write_key:
      break;
  }
  return write_members(view, step.voters,
                       fmt::format("synchronous standbys are now: {} (quorum {})",
                                   fmt::join(step.voters, ", "), step.quorum),
                       step.quorum);
}

}  // namespace

std::vector<std::string> pick_sync_standbys(const SyncView& view) {
  std::vector<std::string> picked;
  for (const Candidate& c : candidates_of(view)) {
    if (picked.size() < node_count(view)) picked.push_back(c.name);
  }
  return sorted(std::move(picked));
}

SyncSetting pick_quorum(const SyncView& view) {
  SyncSetting setting;
  // A vote that cannot lead could hold a row that nobody who may lead has: only where it is needed.
  for (const Candidate& c : candidates_of(view)) {
    if (!c.nofailover || setting.names.size() < node_count(view)) setting.names.push_back(c.name);
  }
  setting.names = sorted(std::move(setting.names));
  setting.needed = static_cast<int>(std::min(node_count(view), setting.names.size()));
  return setting;
}

std::string render_sync_names(const std::vector<std::string>& names, bool strict) {
  if (names.empty()) return strict ? "*" : "";
  if (names.size() == 1) return quoted(names.front());
  std::vector<std::string> parts;
  for (const auto& name : names) parts.push_back(quoted(name));
  return fmt::format("{} ({})", parts.size(), fmt::join(parts, ","));
}

std::vector<std::string> parse_sync_names(const std::string& value) {
  std::string list = value;
  if (const auto open = list.find('('); open != std::string::npos) {
    list = list.substr(open + 1, list.rfind(')') - open - 1);
  }
  std::vector<std::string> names;
  std::string name;
  bool in_quotes = false;
  const auto finish = [&] {
    if (!name.empty() && name != "*") names.push_back(name);
    name.clear();
  };
  for (std::size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    if (c == '"' && in_quotes && i + 1 < list.size() && list[i + 1] == '"') {
      name += '"';
      ++i;
    } else if (c == '"') {
      in_quotes = !in_quotes;
    } else if (c == ',' && !in_quotes) {
      finish();
    } else if (in_quotes || !std::isspace(static_cast<unsigned char>(c))) {
      name += c;
    }
  }
  finish();
  return names;
}

SyncStep plan_sync(const SyncView& view) {
  const model::SyncKey& key = view.cluster->sync;
  if (view.config->synchronous_mode == SyncMode::off) {
    if (key.mod_revision == 0) return {};
    return {.what = SyncStep::What::delete_key, .reason = "synchronous mode is switched off"};
  }
  // A new leader first records itself, alone: only it holds what it will acknowledge (§8.5).
  if (key.leader != view.self) return write_members(view, {}, "I am the leader now");

  const bool strict = view.config->synchronous_mode_strict;
  if (view.config->synchronous_mode == SyncMode::quorum) {
    const SyncSetting wanted = pick_quorum(view);
    return plan_votes(view, wanted, render_quorum(wanted, strict));
  }
  const std::vector<std::string> wanted = pick_sync_standbys(view);
  const SyncSetting in_force = parse_sync_setting(view.facts->synchronous_standby_names);
  const bool of_quorum =
      key.quorum != 0 || in_force.needed < static_cast<int>(in_force.names.size());
  if (of_quorum) {
    return plan_votes(view, {.names = wanted, .needed = static_cast<int>(wanted.size())},
                      render_sync_names(wanted, strict));
  }
  std::vector<std::string> kept;
  for (const auto& name : key.members) {
    if (contains_name(wanted, name)) kept.push_back(name);
  }
  if (kept.size() != key.members.size()) {
    return write_members(view, kept,
                         fmt::format("synchronous standbys are now: {}", fmt::join(wanted, ", ")));
  }
  const std::string names = render_sync_names(wanted, strict);
  if (view.facts->synchronous_standby_names != names) return set_names(names);
  std::vector<std::string> confirmed = kept;
  const std::vector<std::string> complete = holders(view);
  for (const auto& name : wanted) {
    if (!contains_name(kept, name) && contains_name(complete, name)) confirmed.push_back(name);
  }
  if (confirmed.size() != key.members.size()) {
    return write_members(
        view, confirmed,
        fmt::format("{} hold every acknowledged commit", fmt::join(confirmed, ", ")));
  }
  return {};
}

}  // namespace aurum::core
