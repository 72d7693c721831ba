#include "route/haproxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::route {
namespace {

TEST(Haproxy, is_told_by_health_which_the_next_check_can_put_right) {
  EXPECT_EQ(leader_command("read-write", "n2", {"n1", "n3"}),
            "set server read-write/n2 health up; set server read-write/n1 health down; set server "
            "read-write/n3 health down\n");
  EXPECT_EQ(leader_command("pg", "alone", {}), "set server pg/alone health up\n");
}

TEST(Haproxy, answers_nothing_when_it_did_as_it_was_told) {
  EXPECT_EQ(complaint("\n\n\n"), "");
  EXPECT_EQ(complaint(""), "");
  EXPECT_EQ(complaint("No such server.\n\n"), "No such server.");
  EXPECT_EQ(complaint("\nNo such server.\n\nPermission denied\r\n"),
            "No such server.; Permission denied");
}

// Each command's answer ends with an empty line.
TEST(Haproxy, has_the_leader_up_where_only_others_are_unknown_to_it) {
  EXPECT_TRUE(leader_is_up("\n\n"));
  EXPECT_TRUE(leader_is_up("\nNo such server.\n\n"));
  EXPECT_FALSE(leader_is_up("No such server.\n\n\n"));
  EXPECT_FALSE(leader_is_up(""));
}

}  // namespace
}  // namespace aurum::route
