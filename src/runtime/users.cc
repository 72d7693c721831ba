#include "runtime/users.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace aurum::runtime {

namespace {

/// `look_up` is a getpw*_r call. Outcome: 0 found, ENOENT no such user, else errno.
template <class F>
int look_up_user(User& user, F look_up) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  int outcome = look_up(&entry, buffer.data(), buffer.size(), &found);
  while (outcome == ERANGE && buffer.size() < 1'048'576) {
    buffer.resize(buffer.size() * 2);
    outcome = look_up(&entry, buffer.data(), buffer.size(), &found);
  }
  if (outcome != 0) return outcome;
  if (found == nullptr) return ENOENT;
  user = User{entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir};
  return 0;
}

}  // namespace

User current_user() {
  User user{std::to_string(::geteuid()), ::geteuid(), ::getegid(), "/"};
  look_up_user(user, [](auto... a) { return ::getpwuid_r(::geteuid(), a...); });
  user.gid = ::getegid();
  return user;
}

Result<User> find_user(std::string_view name) {
  User user;
  std::string text(name);
  int outcome = look_up_user(user, [&](auto... a) { return ::getpwnam_r(text.c_str(), a...); });
  if (outcome == 0) return user;
  if (outcome == ENOENT)
    return fail(Code::not_found, fmt::format("there is no user {}", name),
                "Create it, or name another user.");
  return fail(Code::io, fmt::format("cannot look up user {}: {}", name, std::strerror(outcome)));
}

Status become_user(const User& user) {
  if (::geteuid() == user.uid && ::getuid() == user.uid) return {};
  if (::geteuid() != 0)
    return fail(Code::permission, fmt::format("only root can become user {}", user.name),
                fmt::format("Start it as root or as {}.", user.name));
  auto failed = [&](const char* step) {
    return fail(Code::permission, fmt::format("cannot become user {}: {}: {}", user.name, step,
                                              std::strerror(errno)));
  };
  if (::initgroups(user.name.c_str(), user.gid) != 0) return failed("initgroups");
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return failed("setresgid");
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return failed("setresuid");
  if (user.uid != 0 && ::setuid(0) == 0)
    return fail(Code::internal, "root came back after it was given up");
  ::setenv("HOME", user.home.c_str(), 1);
  ::setenv("USER", user.name.c_str(), 1);
  ::setenv("LOGNAME", user.name.c_str(), 1);
  return {};
}

}  // namespace aurum::runtime
