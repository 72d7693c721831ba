#include "backup/trial_state.h"

#include "backup/remember.h"
#include "model/decode.h"

namespace aurum::backup {

using model::int_at, model::Value;

namespace {

TrialTry read_try(const Value& value) {
  return {.node = model::string_at(value, "node"),
          .started = int_at(value, "started"),
          .ended = int_at(value, "ended"),
          .error = model::string_at(value, "error"),
          .cut_off = model::flag_at(value, "cut_off")};
}

}  // namespace

void TrialState::add(RestoreTrial trial) {
  shorten(trial.error);
  if (trial.ok) {
    good_at = begun_at(trial);
    failed.clear();
  }
  last = std::move(trial);
}

void TrialState::add_failure(TrialTry failure) { remember(failed, std::move(failure), kTriesKept); }

Value to_value(const TrialTry& one) {
  Value out;
  out.set("node", one.node);
  out.set("started", one.started);
  if (one.ended != 0) out.set("ended", one.ended);
  if (!one.error.empty()) out.set("error", one.error);
  if (one.cut_off) out.set("cut_off", true);
  return out;
}

std::string encode(const TrialState& state) {
  Value out = state.last ? to_value(*state.last) : Value::object();
  out.set("good_at", state.good_at);
  if (state.running) out.set("running", to_value(*state.running));
  Value failed = Value::array();
  for (const auto& one : state.failed) failed.push_back(to_value(one));
  out.set("failed", std::move(failed));
  return model::to_json(out);
}

TrialState decode_trial_state(std::string_view text) {
  const auto tree = model::parse_object(text);
  TrialState out;
  if (auto trial = parse_restore_trial(text); trial && begun_at(*trial) != 0)
    out.last = std::move(*trial);
  out.good_at = int_at(tree, "good_at");
  if (const auto* running = tree.find("running"); running != nullptr && running->is_object())
    out.running = read_try(*running);
  if (const auto* failed = tree.find("failed"); failed != nullptr && failed->is_array())
    for (const auto& value : failed->as_array())
      if (value.is_object() && out.failed.size() < kTriesKept)
        out.failed.push_back(read_try(value));
  return out;
}

}  // namespace aurum::backup
