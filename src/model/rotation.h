#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "model/value.h"

/// The change of one password on all members: what each of them says, and what follows from it
/// (docs/decisions/0018). Nothing is remembered between two looks, so a change that was cut short
/// anywhere goes on from what is there.
namespace aurum::model {

/// The passwords that can be changed.
enum class PasswordUse { superuser, replication, rewind, rest };
std::string_view to_string(PasswordUse use);
std::optional<PasswordUse> parse_password_use(std::string_view word);
inline constexpr PasswordUse kPasswordUses[] = {PasswordUse::superuser, PasswordUse::replication,
                                                PasswordUse::rewind, PasswordUse::rest};

/// Where a member has it from.
struct PasswordSource {
  std::string role;                ///< of PostgreSQL; "" for rest
  std::vector<std::string> files;  ///< all are to be changed; never empty
};
/// An error says why it can not be changed by us.
Result<PasswordSource> password_source(const LocalConfig& config, const Environment& env,
                                       PasswordUse use);

/// One member's answer to a look. Passwords are fingerprints of one salt.
struct SecretState {
  std::string member;
  bool leads = false;
  std::string file;     ///< which it is about
  std::string problem;  ///< why this member can not take part, and what to do; "" = it can
  std::string in_use, next, previous;
  /// Which of the three its PostgreSQL takes; "" = none, or (rest) there is nothing to ask.
  std::string server;
  friend bool operator==(const SecretState&, const SecretState&) = default;
};
Value encode_secret_state(const SecretState& state);
SecretState decode_secret_state(const Value& value);

/// The steps of a change, in their order. Each may be done again.
enum class RotationStep {
  fresh,    ///< nothing is under way: choose a new password, then `prepare` everywhere
  prepare,  ///< write it as `next`: from now on both are tried and taken
  alter,    ///< on the leader: ALTER ROLE; its own file is switched in the same breath
  change,   ///< use it first, keep the former as `previous`
  wait,     ///< for PostgreSQL of these members to have replayed the change
  finish,   ///< forget the former
  stuck,    ///< `why`
};
std::string_view to_string(RotationStep step);

struct RotationPlan {
  RotationStep step = RotationStep::stuck;
  std::string target;                ///< fingerprint of the password that shall be in use
  std::vector<std::string> members;  ///< who has to do it
  std::string why;
};

/// What is to be done next. `known`: fingerprints whose password the caller has, and could give to
/// a member that lacks it. `states` has every member; one of them leads, unless it is about rest.
///
/// What must stay true: the role's password is changed only when every member has the new one, and
/// the former is forgotten only when every member's server takes the new one.
RotationPlan plan_rotation(PasswordUse use, const std::vector<SecretState>& states,
                           const std::vector<std::string>& known);

}  // namespace aurum::model
