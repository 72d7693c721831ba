#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "base/result.h"

namespace aurum::stack {

/// Who runs PostgreSQL, etcd and the agents of a stack.
struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string name;
  bool drop =
      false;  ///< we are root, and a child has to become this account before it runs anything
};

/// The caller itself when it is not root; else `postgres`, else a system user `aurum`, which is
/// made when `may_create`. PostgreSQL refuses to run as root, so nothing of a stack ever does.
Result<Account> service_account(bool may_create);

/// Whether the account can execute `program` (every folder above it counts): a child asks the
/// kernel.
bool can_execute(const Account& account, const std::string& program);

}  // namespace aurum::stack
