#include "model/rotation.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "model/decode.h"

namespace aurum::model {

namespace {

using States = std::vector<SecretState>;

template <class Test>
std::vector<std::string> names(const States& states, Test test) {
  std::vector<std::string> out;
  for (const auto& state : states)
    if (test(state)) out.push_back(state.member);
  return out;
}

RotationPlan stuck(std::string why) { return {RotationStep::stuck, {}, {}, std::move(why)}; }

const SecretState* leader_of(const States& states) {
  const auto at = std::ranges::find_if(states, &SecretState::leads);
  return at == states.end() ? nullptr : &*at;
}

/// Whom a new password can be given to.
RotationPlan plan_fresh(PasswordUse use, const States& states) {
  for (const auto& state : states)
    if (state.in_use != states.front().in_use)
      return stuck(fmt::format("{} and {} hold different passwords: give both the one that {}",
                               states.front().member, state.member,
                               use == PasswordUse::rest ? "the others hold" : "PostgreSQL takes"));
  for (const auto& state : states)
    if (use != PasswordUse::rest && state.server != state.in_use)
      return stuck(fmt::format("PostgreSQL of {} does not take the password of {}", state.member,
                               state.file));
  return {RotationStep::fresh, {}, names(states, [](const auto&) { return true; }), {}};
}

/// The password that a change under way is to; "" when none of the prepared ones has to be.
Result<std::string> target_of(PasswordUse use, const States& states,
                              const std::vector<std::string>& known) {
  std::set<std::string> changed, prepared;
  for (const auto& state : states) {
    if (!state.previous.empty()) changed.insert(state.in_use);
    if (!state.next.empty()) prepared.insert(state.next);
  }
  if (changed.size() > 1) return fail(Code::invalid, "members have changed to different passwords");
  if (!changed.empty()) return *changed.begin();
  // Nobody uses a new one yet. Only PostgreSQL could have it already.
  const auto* leader = leader_of(states);
  if (use != PasswordUse::rest && leader != nullptr && prepared.contains(leader->server))
    return leader->server;
  const bool everywhere = prepared.size() == 1 && std::ranges::all_of(states, [&](const auto& s) {
                            return s.next == *prepared.begin() || s.in_use == *prepared.begin();
                          });
  if (everywhere) return *prepared.begin();
  for (const auto& one : known)
    if (prepared.contains(one)) return one;
  return std::string();
}

}  // namespace

RotationPlan plan_rotation(PasswordUse use, const States& states,
                           const std::vector<std::string>& known) {
  if (states.empty()) return stuck("the cluster has no member");
  for (const auto& state : states)
    if (!state.problem.empty()) return stuck(fmt::format("{}: {}", state.member, state.problem));
  const auto* leader = leader_of(states);
  if (leader == nullptr) return stuck("the cluster has no leader");
  const bool under_way = std::ranges::any_of(
      states, [](const auto& s) { return !s.next.empty() || !s.previous.empty(); });
  if (!under_way) return plan_fresh(use, states);

  const auto target = target_of(use, states, known);
  if (!target) return stuck(target.error().message);
  RotationPlan plan{RotationStep::fresh, *target, {}, {}};
  if (target->empty()) {
    plan.members = names(states, [](const auto&) { return true; });
    return plan;
  }
  const auto go = [&plan](RotationStep step, std::vector<std::string> members) {
    plan.step = step;
    plan.members = std::move(members);
    return !plan.members.empty();
  };
  if (go(RotationStep::prepare,
         names(states, [&](const auto& s) { return s.in_use != *target && s.next != *target; }))) {
    if (std::ranges::find(known, *target) == known.end())
      return stuck(fmt::format("{} lacks the new password, which is not in the file here",
                               plan.members.front()));
    return plan;
  }
  if (use != PasswordUse::rest && leader->server != *target) {
    go(RotationStep::alter, {leader->member});
    return plan;
  }
  if (go(RotationStep::change, names(states, [&](const auto& s) { return s.next == *target; })))
    return plan;
  if (use != PasswordUse::rest &&
      go(RotationStep::wait, names(states, [&](const auto& s) { return s.server != *target; })))
    return plan;
  go(RotationStep::finish,
     names(states, [](const auto& s) { return !s.previous.empty() || !s.next.empty(); }));
  return plan;
}

std::string_view to_string(PasswordUse use) {
  switch (use) {
    case PasswordUse::superuser:
      return "superuser";
    case PasswordUse::replication:
      return "replication";
    case PasswordUse::rewind:
      return "rewind";
    case PasswordUse::rest:
      return "rest";
  }
  return "";
}

std::optional<PasswordUse> parse_password_use(std::string_view word) {
  for (const auto use : kPasswordUses)
    if (word == to_string(use)) return use;
  return std::nullopt;
}

std::string_view to_string(RotationStep step) {
  switch (step) {
    case RotationStep::fresh:
      return "fresh";
    case RotationStep::prepare:
      return "prepare";
    case RotationStep::alter:
      return "alter";
    case RotationStep::change:
      return "change";
    case RotationStep::wait:
      return "wait";
    case RotationStep::finish:
      return "finish";
    case RotationStep::stuck:
      return "stuck";
  }
  return "";
}

Value encode_secret_state(const SecretState& state) {
  Value out = Value::object();
  out.set("member", state.member);
  out.set("leads", state.leads);
  out.set("file", state.file);
  out.set("problem", state.problem);
  out.set("in_use", state.in_use);
  out.set("next", state.next);
  out.set("previous", state.previous);
  out.set("server", state.server);
  return out;
}

SecretState decode_secret_state(const Value& value) {
  SecretState out;
  out.member = text_at(value, "member");
  const Value* leads = value.find("leads");
  out.leads = leads != nullptr && read_bool(*leads).value_or(false);
  out.file = text_at(value, "file");
  out.problem = text_at(value, "problem");
  out.in_use = text_at(value, "in_use");
  out.next = text_at(value, "next");
  out.previous = text_at(value, "previous");
  out.server = text_at(value, "server");
  return out;
}

}  // namespace aurum::model
