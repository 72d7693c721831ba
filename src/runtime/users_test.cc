#include "runtime/users.h"

#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace aurum::runtime {
namespace {

TEST(users, we_are_who_we_are) {
  auto me = current_user();
  EXPECT_EQ(me.uid, ::geteuid());
  auto found = find_user(me.name);
  if (found) {
    EXPECT_EQ(found->uid, me.uid);
  }
  EXPECT_TRUE(become_user(me));
}

TEST(users, a_stranger_is_not_found) {
  auto user = find_user("no-such-user-of-ours");
  ASSERT_FALSE(user);
  EXPECT_EQ(user.error().code, Code::not_found);
}

TEST(users, root_is_given_up_for_good) {
  auto nobody = find_user("nobody");
  if (::geteuid() != 0 || !nobody) GTEST_SKIP() << "needs root";
  pid_t child = ::fork();
  if (child == 0) {
    bool good = become_user(*nobody).has_value() && ::getuid() == nobody->uid &&
                ::getegid() == nobody->gid && ::setuid(0) != 0 &&
                std::string(::getenv("USER")) == "nobody" &&
                become_user(User{"root", 0, 0, "/root"}).error().code == Code::permission;
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace aurum::runtime
