#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/world.h"
#include "model/rotation.h"
#include "model/secret_file.h"

namespace aurum::cli {

/// The member that the command runs on. Its configuration is read anew for each look: the password
/// that changes may be the one that its own calls are made with.
struct RotationSeat {
  std::string member;
  model::SecretFile secret;
  World* world = nullptr;  ///< of that configuration; lives until the next seat
};

/// Changes one password on all members, or goes on with a change that was cut short. What is to be
/// done is decided by model::plan_rotation() from what the members say; this asks, and does it.
class Rotation {
 public:
  using Sit = std::function<Result<RotationSeat>()>;
  using Say = std::function<void(const std::string&)>;

  Rotation(ClusterId cluster, model::PasswordUse use, std::string salt, Sit sit, Say say);

  /// What every member says; an error when the cluster is in no state to change a password in.
  Result<std::vector<model::SecretState>> look();

  struct Outcome {
    bool resumed = false;  ///< a change begun earlier was brought to its end, no other was made
    std::vector<model::SecretState> states;
  };
  /// `fresh`: the new password, in case none is under way. `chosen`: it must be this one. Waits for
  /// at most `limit` for members that are behind.
  Result<Outcome> run(const std::string& fresh, bool chosen, Duration limit);

 private:
  Status fit(const model::ClusterView& view);
  Result<model::SecretState> ask(const std::string& member, std::string_view step,
                                 const std::string& target);
  Status give(const model::RotationPlan& plan, const std::string& password);
  Status alter(const model::RotationPlan& plan);
  Status on_all(const model::RotationPlan& plan);
  Status step(const model::RotationPlan& plan, const std::string& fresh, bool chosen);
  std::string print(const std::string& password) const;  ///< its fingerprint; of "", ""

  ClusterId cluster_;
  model::PasswordUse use_;
  std::string salt_;
  Sit sit_;
  Say say_;
  RotationSeat seat_;
  model::ClusterView view_;
  std::vector<std::string> expected_;         ///< members that the first look found
  std::map<std::string, std::string> known_;  ///< fingerprint to password
  std::string target_;
  bool begun_ = false, resumed_ = false;
};

}  // namespace aurum::cli
