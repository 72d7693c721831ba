#include "backup/archive_state.h"

#include <algorithm>

#include "model/decode.h"

namespace aurum::backup {
namespace {

constexpr int kFailuresToOpen = 3;
constexpr Duration kFirstWindow = seconds(5);
constexpr Duration kLongestWindow = seconds(30);
constexpr Duration kMissingHolds = seconds(1);

std::int64_t integer_at(const model::Value& object, std::string_view key) {
  const auto* value = object.find(key);
  return value != nullptr && value->is_int() ? value->as_int() : 0;
}

int count_at(const model::Value& object, std::string_view key) {
  return static_cast<int>(std::clamp<std::int64_t>(integer_at(object, key), 0, 1'000'000));
}

}  // namespace

model::Value to_value(const ArchiveState& state) {
  model::Value out = model::Value::object();
  out.set("ok_file", state.ok_file);
  out.set("ok_at_us", state.ok_at.us);
  out.set("failures", state.failures);
  out.set("openings", state.openings);
  out.set("failing_since_us", state.failing_since.us);
  out.set("failed_file", state.failed_file);
  out.set("error", state.error);
  out.set("open_until_ns", state.open_until.ns);
  out.set("missing_file", state.missing_file);
  out.set("missing_at_ns", state.missing_at.ns);
  return out;
}

ArchiveState parse_archive_state(std::string_view text) {
  const model::Value tree = model::parse_object(text);
  ArchiveState out;
  out.ok_file = model::string_at(tree, "ok_file");
  out.ok_at = {integer_at(tree, "ok_at_us")};
  out.failures = count_at(tree, "failures");
  out.openings = count_at(tree, "openings");
  out.failing_since = {integer_at(tree, "failing_since_us")};
  out.failed_file = model::string_at(tree, "failed_file");
  out.error = model::string_at(tree, "error");
  out.open_until = {integer_at(tree, "open_until_ns")};
  out.missing_file = model::string_at(tree, "missing_file");
  out.missing_at = {integer_at(tree, "missing_at_ns")};
  return out;
}

bool breaker_is_open(const ArchiveState& state, Instant now) {
  return now < state.open_until && state.open_until <= now + kLongestWindow;
}

void note_success(ArchiveState& state, std::string_view file, WallTime now) {
  state = {.ok_file = std::string(file), .ok_at = now};
}

void note_missing(ArchiveState& state, std::string_view file, Instant now) {
  state = {.ok_file = std::move(state.ok_file),
           .ok_at = state.ok_at,
           .missing_file = std::string(file),
           .missing_at = now};
}

void note_failure(ArchiveState& state, std::string_view file, std::string_view error,
                  Failure failure, Instant now, WallTime wall) {
  if (state.failures++ == 0) state.failing_since = wall;
  state.failed_file = file;
  state.error = error;
  state.missing_file.clear();
  if (failure == Failure::answered) {
    if (state.failures >= kFailuresToOpen) state.open_until = now + kFirstWindow;
    return;
  }
  Duration window = kFirstWindow;
  for (int i = 0; i < state.openings && window < kLongestWindow; ++i) window *= 2;
  state.openings++;
  state.open_until = now + std::min(window, kLongestWindow);
}

bool known_missing(const ArchiveState& state, std::string_view file, Instant now) {
  return !state.missing_file.empty() && state.missing_file == file && state.missing_at <= now &&
         now - state.missing_at < kMissingHolds;
}

}  // namespace aurum::backup
