#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/result.h"

namespace aurum::runtime {

struct User {
  std::string name;  ///< the number as text when it has no name (a container)
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
  bool is_root() const { return uid == 0; }
};

/// Who this process acts as (effective user).
User current_user();
/// Code::not_found when there is no such user.
Result<User> find_user(std::string_view name);
/// Gives up root for good: supplementary groups, group, user (initgroups, setgid, setuid), HOME,
/// USER and LOGNAME. Affects the whole process: call it while there is one thread. Nothing to do
/// when we are that user already; Code::permission when we are somebody else but not root.
Status become_user(const User& user);

}  // namespace aurum::runtime
