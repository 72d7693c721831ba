#include "stack/account.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <grp.h>
#include <optional>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

namespace aurum::stack {

namespace {

std::optional<Account> lookup(const char* name) {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  Account account{found->pw_uid, found->pw_gid, {}, name, true};
  int count = 64;
  account.groups.resize(64);
  if (::getgrouplist(name, account.gid, account.groups.data(), &count) < 0) count = 1;
  account.groups.resize(static_cast<std::size_t>(count));
  return account;
}

}  // namespace

Result<Account> service_account(bool may_create) {
  if (::geteuid() != 0) {
    const passwd* me = ::getpwuid(::geteuid());
    return Account{::geteuid(),
                   ::getegid(),
                   {},
                   me != nullptr ? me->pw_name : std::to_string(::geteuid()),
                   false};
  }
  for (const char* name : {"postgres", "aurum"}) {
    if (auto account = lookup(name)) return *account;
  }
  if (may_create) {
    const int status = std::system(
        "useradd --system --no-create-home --home-dir /nonexistent "
        "--shell /usr/sbin/nologin aurum >/dev/null 2>&1");
    if (status == 0) {
      if (auto account = lookup("aurum")) return *account;
    }
  }
  return fail(Code::permission, "no user `postgres` or `aurum` on this machine",
              "PostgreSQL refuses to run as root; make one: useradd --system aurum");
}

bool can_execute(const Account& account, const std::string& program) {
  if (!account.drop) return ::access(program.c_str(), X_OK) == 0;
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    if (::setgroups(account.groups.size(), account.groups.data()) != 0 ||
        ::setgid(account.gid) != 0 || ::setuid(account.uid) != 0) {
      ::_exit(2);
    }
    ::_exit(::access(program.c_str(), X_OK) == 0 ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace aurum::stack
