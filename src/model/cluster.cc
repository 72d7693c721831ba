#include "model/cluster.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/decode.h"

namespace aurum::model {
namespace {

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const auto comma = text.find(',');
    if (const auto name = trim(text.substr(0, comma)); !name.empty()) names.emplace_back(name);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return names;
}

/// A member of `document` that may also be JSON inside a string.
Value unpacked(const Value& document, std::string_view key) {
  const Value* value = document.find(key);
  if (value == nullptr) return {};
  if (!value->is_string()) return *value;
  auto inner = parse_json(value->as_string());
  return inner ? std::move(*inner) : Value();
}

}  // namespace

Value encode_slots(const std::map<std::string, Lsn>& slots) {
  Value out = Value::object();
  for (const auto& [name, lsn] : slots) out.set(name, lsn_value(lsn));
  return out;
}

std::map<std::string, Lsn> decode_slots(const Value& slots) {
  std::map<std::string, Lsn> out;
  if (!slots.is_object()) return out;
  for (const auto& [name, lsn] : slots.as_object())
    if (const auto position = lsn_of(&lsn)) out[name] = *position;
  return out;
}

std::string encode_status(const ClusterStatus& status) {
  Value out = Value::object();
  if (status.optime) out.set("optime", lsn_value(*status.optime));
  if (!status.slots.empty()) out.set("slots", encode_slots(status.slots));
  if (!status.retain_slots.empty()) {
    Value& retain = out.set("retain_slots", Value::array());
    for (const auto& name : status.retain_slots) retain.push_back(name);
  }
  return to_json(out);
}

ClusterStatus decode_status(std::string_view text) {
  ClusterStatus status;
  const auto parsed = parse_json(text);
  if (!parsed) return status;
  if (!parsed->is_object()) {
    status.optime = lsn_of(&*parsed);
    return status;
  }
  status.optime = lsn_of(parsed->find("optime"));
  status.slots = decode_slots(unpacked(*parsed, "slots"));
  if (const Value retain = unpacked(*parsed, "retain_slots"); retain.is_array())
    for (const auto& name : retain.as_array())
      if (name.is_string()) status.retain_slots.push_back(name.as_string());
  return status;
}

std::string encode_history(const History& history) {
  Value out = Value::array();
  for (const auto& entry : history) {
    Value row = Value::array();
    row.push_back(std::int64_t{entry.timeline});
    row.push_back(lsn_value(entry.lsn));
    row.push_back(entry.reason);
    if (!entry.time.empty() || !entry.new_leader.empty()) row.push_back(entry.time);
    if (!entry.new_leader.empty()) row.push_back(entry.new_leader);
    out.push_back(std::move(row));
  }
  return to_json(out);
}

History decode_history(std::string_view text) {
  History history;
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_array()) return history;
  for (const auto& row : parsed->as_array()) {
    if (!row.is_array() || row.size() < 3) continue;
    const auto& fields = row.as_array();
    const auto timeline = timeline_of(&fields[0]);
    const auto lsn = lsn_of(&fields[1]);
    if (!timeline || !lsn) continue;
    const auto field = [&](std::size_t i) {
      return i < fields.size() && fields[i].is_string() ? fields[i].as_string() : std::string();
    };
    history.push_back({*timeline, *lsn, field(2), field(3), field(4)});
  }
  return history;
}

Result<History> parse_history_file(std::string_view text) {
  History history;
  int number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    constexpr std::string_view blanks = " \t\r";
    const auto start = line.find_first_not_of(blanks);
    if (start == std::string_view::npos || line[start] == '#') continue;
    line = line.substr(start, line.find_last_not_of(blanks) - start + 1);

    const auto bad = [&] {
      return fail(Code::invalid, fmt::format("line {} of the timeline history is not \"timeline, "
                                             "position, reason\": \"{}\"",
                                             number, line.substr(0, 80)));
    };
    const auto first = std::min(line.find_first_of(blanks), line.size());
    const auto lsn_at = std::min(line.find_first_not_of(blanks, first), line.size());
    const auto lsn_end = std::min(line.find_first_of(blanks, lsn_at), line.size());
    const auto reason_at = std::min(line.find_first_not_of(blanks, lsn_end), line.size());
    const Value timeline_text(line.substr(0, first));
    const auto timeline = timeline_of(&timeline_text);
    const auto lsn = parse_lsn(line.substr(lsn_at, lsn_end - lsn_at));
    if (!timeline || !lsn || (!history.empty() && history.back().timeline >= *timeline))
      return bad();
    history.push_back({*timeline, *lsn, std::string(line.substr(reason_at)), {}, {}});
  }
  return history;
}

std::string encode_failover(const FailoverRequest& request) {
  Value out = Value::object();
  if (!request.leader.empty()) out.set("leader", request.leader);
  if (!request.candidate.empty()) out.set("member", request.candidate);
  if (!request.scheduled_at.empty()) out.set("scheduled_at", request.scheduled_at);
  return to_json(out);
}

FailoverRequest decode_failover(std::string_view text) {
  FailoverRequest request;
  if (const auto parsed = parse_json(text)) {
    if (!parsed->is_object()) return request;
    request.leader = string_at(*parsed, "leader");
    request.candidate = string_at(*parsed, "member");
    request.scheduled_at = string_at(*parsed, "scheduled_at");
    return request;
  }
  if (const auto colon = text.find(':');
      colon != std::string_view::npos && !text.starts_with('{')) {
    request.leader = trim(text.substr(0, colon));
    request.candidate = trim(text.substr(colon + 1));
  }
  return request;
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool contains_name(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::any_of(names, [&](const auto& one) { return same_name(one, name); });
}

bool SyncKey::has(std::string_view name) const { return contains_name(members, name); }

bool SyncKey::matches(std::string_view name) const {
  return !leader.empty() && (same_name(leader, name) || has(name));
}

std::string encode_sync(const SyncKey& sync) {
  auto names = sync.members;
  std::ranges::sort(names);
  std::string joined;
  for (const auto& name : names) joined += (joined.empty() ? "" : ",") + name;
  Value out = Value::object();
  out.set("leader", sync.leader.empty() ? Value() : Value(sync.leader));
  out.set("quorum", sync.quorum);
  out.set("sync_standby", joined.empty() ? Value() : Value(joined));
  return to_json(out);
}

SyncKey decode_sync(std::string_view text) {
  SyncKey sync;
  const Value document = parse_object(text);
  sync.leader = string_at(document, "leader");
  if (sync.leader.empty()) return sync;
  sync.members = split_names(string_at(document, "sync_standby"));
  std::ranges::sort(sync.members);
  const Value* quorum = document.find("quorum");
  const auto number = quorum == nullptr ? std::nullopt : read_int(*quorum);
  if (number && *number > 0) sync.quorum = static_cast<int>(std::min<std::int64_t>(*number, 1000));
  return sync;
}

std::string encode_failsafe(const FailsafeMap& map) {
  Value out = Value::object();
  for (const auto& [name, url] : map.members) out.set(name, url);
  return to_json(out);
}

FailsafeMap decode_failsafe(std::string_view text) {
  FailsafeMap map;
  const Value document = parse_object(text);
  for (const auto& [name, url] : document.as_object())
    if (url.is_string()) map.members[name] = url.as_string();
  return map;
}

const Member* ClusterView::member(std::string_view name) const {
  const auto found = members.find(std::string(name));
  return found == members.end() ? nullptr : &found->second;
}

const Member* ClusterView::leader_member() const { return leader ? member(leader->name) : nullptr; }

std::string encode_heartbeat(const Heartbeat& beat) {
  Value out = Value::object();
  out.set("leader", beat.leader);
  out.set("fence_ms", to_ms(beat.fence));
  out.set("takeover_ms", to_ms(beat.takeover));
  return to_json(out);
}

std::optional<Heartbeat> decode_heartbeat(std::string_view text) {
  constexpr std::int64_t most = 600'000;  // milliseconds
  const Value document = parse_object(text);
  const std::int64_t fence = int_at(document, "fence_ms");
  const std::int64_t takeover = int_at(document, "takeover_ms");
  Heartbeat beat{.leader = text_at(document, "leader")};
  // Clocks may run 1 % fast or slow, so two of them differ by that much.
  const bool safe = fence > 0 && takeover <= most && 50 * takeover >= 51 * fence;
  if (beat.leader.empty() || !safe) return {};
  beat.fence = milliseconds(fence);
  beat.takeover = milliseconds(takeover);
  return beat;
}

namespace {

/// A number that counts from one; 0 where there is none.
std::uint64_t decode_positive(std::string_view text) {
  const auto value = parse_json(text);
  const auto number = value ? read_int(*value) : std::nullopt;
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

}  // namespace

constexpr std::size_t kLeaderBytesMax = 1024;

ClusterView decode_cluster(Revision revision, const std::vector<KeyValue>& keys) {
  constexpr std::string_view members = "members/";
  ClusterView view;
  view.revision = revision;
  bool status_seen = false;
  std::optional<Lsn> legacy_optime;
  for (const auto& kv : keys) {
    const std::string_view value =
        kv.value.size() > kValueBytesMax ? std::string_view() : std::string_view(kv.value);
    if (kv.key == "initialize") {
      view.initialize = kv.value;
    } else if (kv.key == "leader") {
      // No member has such a name; and it is told in logs.
      std::string name = kv.value.substr(0, kLeaderBytesMax);
      view.leader = Leader{std::move(name), kv.lease, kv.create_revision, kv.mod_revision};
    } else if (kv.key.starts_with(members) && kv.key.size() > members.size()) {
      Member member = decode_member(std::string_view(kv.key).substr(members.size()), value);
      member.lease = kv.lease;
      member.mod_revision = kv.mod_revision;
      view.members.insert_or_assign(member.name, std::move(member));
    } else if (kv.key == "config") {
      view.config_revision = kv.mod_revision;
      if (auto parsed = parse_json(value); parsed && parsed->is_object())
        view.config = std::move(*parsed);
    } else if (kv.key == "status") {
      status_seen = true;
      view.status = decode_status(value);
    } else if (kv.key == "optime/leader") {
      legacy_optime = decode_status(value).optime;
    } else if (kv.key == "history") {
      view.history = decode_history(value);
      view.history_revision = kv.mod_revision;
    } else if (kv.key == "failover") {
      view.failover = decode_failover(value);
      view.failover->mod_revision = kv.mod_revision;
    } else if (kv.key == "sync") {
      view.sync = decode_sync(value);
      view.sync.mod_revision = kv.mod_revision;
    } else if (kv.key == "aurum_timeline") {
      if (const auto given = decode_positive(value); given <= UINT32_MAX)
        view.timeline_given = static_cast<Timeline>(given);
      view.timeline_given_revision = kv.mod_revision;
    } else if (kv.key == "aurum_restore") {
      view.restore = decode_restore(value);
      view.restore_revision = kv.mod_revision;
    } else if (kv.key == "aurum_restore_progress") {
      view.restore_progress = kv.value;
    } else if (kv.key == kSuccessionsKey) {
      view.successions = value;
      view.successions_revision = kv.mod_revision;
    } else if (kv.key == kMaintenanceKey) {
      view.maintenance = MaintenanceKey{kv.value, kv.mod_revision};
    } else if (kv.key == kReleasedKey) {
      view.released = decode_positive(value);
      view.released_revision = kv.mod_revision;
    } else if (kv.key == kUnpromisedKey) {
      // One that was copied here from another store may be of its future.
      const auto seen = static_cast<Revision>(decode_positive(value));
      view.unpromised = seen < kv.mod_revision ? seen : 0;
    } else if (kv.key == kHeartbeatKey) {
      view.heartbeat = decode_heartbeat(value);
      if (view.heartbeat) view.heartbeat->mod_revision = kv.mod_revision;
    } else if (kv.key == "failsafe") {
      view.failsafe = decode_failsafe(value);
      view.failsafe->mod_revision = kv.mod_revision;
    }
  }
  if (!status_seen) view.status.optime = legacy_optime;
  return view;
}

}  // namespace aurum::model
