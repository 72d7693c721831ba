#include "model/restore.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "model/decode.h"
#include "model/value.h"

namespace aurum::model {

namespace {

constexpr std::array kKinds = {
    std::pair{RecoveryTarget::Kind::latest, "latest"},
    std::pair{RecoveryTarget::Kind::time, "time"},
    std::pair{RecoveryTarget::Kind::lsn, "lsn"},
    std::pair{RecoveryTarget::Kind::xid, "xid"},
    std::pair{RecoveryTarget::Kind::name, "name"},
};
constexpr std::array kSteps = {
    std::pair{RestoreStep::check, "check"},     std::pair{RestoreStep::stop, "stop"},
    std::pair{RestoreStep::fetch, "fetch"},     std::pair{RestoreStep::open, "open"},
    std::pair{RestoreStep::rebuild, "rebuild"}, std::pair{RestoreStep::done, "done"},
    std::pair{RestoreStep::confirm, "confirm"}, std::pair{RestoreStep::undo_stop, "undo_stop"},
    std::pair{RestoreStep::undo, "undo"},
};

template <class List, class Kind>
std::string_view name_in(const List& list, Kind kind) {
  for (const auto& [value, name] : list)
    if (value == kind) return name;
  return "?";
}

template <class List>
auto find_in(const List& list, std::string_view text) {
  std::optional<decltype(list[0].first)> found;
  for (const auto& [value, name] : list)
    if (text == name) found = value;
  return found;
}

std::int64_t count_at(const Value& object, std::string_view key) {
  return std::max<std::int64_t>(int_at(object, key), 0);
}

Timeline timeline_at(const Value& object, std::string_view key) {
  return static_cast<Timeline>(std::min<std::int64_t>(count_at(object, key), UINT32_MAX));
}

}  // namespace

std::string_view to_string(RecoveryTarget::Kind kind) { return name_in(kKinds, kind); }
std::string_view to_string(RestoreStep step) { return name_in(kSteps, step); }

std::string describe(const RecoveryTarget& target) {
  switch (target.kind) {
    case RecoveryTarget::Kind::latest:
      return "the newest WAL";
    case RecoveryTarget::Kind::time:
      return target.value;
    case RecoveryTarget::Kind::lsn:
      return "LSN " + target.value;
    case RecoveryTarget::Kind::xid:
      return "transaction " + target.value;
    case RecoveryTarget::Kind::name:
      return fmt::format("restore point '{}'", target.value);
  }
  return {};
}

std::string encode_restore(const Restore& restore) {
  Value out = Value::object();
  const auto set_text = [&out](std::string_view key, const std::string& text) {
    if (!text.empty()) out.set(key, text);
  };
  out.set("id", restore.id);
  out.set("step", to_string(restore.step));
  out.set("node", restore.node);
  out.set("keeper", restore.keeper);
  set_text("kept", restore.kept);
  if (restore.discard) out.set("discard", true);
  out.set("backup", restore.backup);
  out.set("size", restore.size);
  out.set("target", to_string(restore.target.kind));
  set_text("target_value", restore.target.value);
  out.set("timeline", std::int64_t{restore.timeline});
  if (restore.opened != 0) out.set("opened", std::int64_t{restore.opened});
  set_text("new_backup", restore.new_backup);
  if (restore.ended) out.set("ended", true);
  set_text("error", restore.error);
  Value marks = Value::array();
  for (const auto& mark : restore.marks) {
    Value row = Value::object();
    row.set("step", to_string(mark.step));
    row.set("by", mark.by);
    row.set("at", mark.at);
    marks.push_back(std::move(row));
  }
  out.set("marks", std::move(marks));
  return to_json(out);
}

std::optional<Restore> decode_restore(std::string_view text) {
  const auto tree = parse_json(text);
  if (!tree || !tree->is_object()) return std::nullopt;
  const auto step = find_in(kSteps, text_at(*tree, "step"));
  const auto kind = find_in(kKinds, text_at(*tree, "target"));
  Restore out;
  out.id = text_at(*tree, "id");
  out.node = text_at(*tree, "node");
  out.keeper = text_at(*tree, "keeper");
  out.backup = text_at(*tree, "backup");
  if (!step || !kind || out.id.empty() || out.node.empty() || out.keeper.empty() ||
      out.backup.empty())
    return std::nullopt;
  out.step = *step;
  out.kept = text_at(*tree, "kept");
  out.discard = flag_at(*tree, "discard");
  out.ended = flag_at(*tree, "ended");
  out.size = count_at(*tree, "size");
  out.target = {*kind, text_at(*tree, "target_value")};
  out.timeline = timeline_at(*tree, "timeline");
  out.opened = timeline_at(*tree, "opened");
  out.new_backup = text_at(*tree, "new_backup");
  out.error = text_at(*tree, "error");
  if (const Value* marks = tree->find("marks"); marks != nullptr && marks->is_array())
    for (const Value& row : marks->as_array())
      if (const auto of = find_in(kSteps, text_at(row, "step")))
        out.marks.push_back({*of, text_at(row, "by"), text_at(row, "at")});
  return out;
}

}  // namespace aurum::model
