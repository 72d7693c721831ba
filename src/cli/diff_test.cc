#include "cli/diff.h"

#include <gtest/gtest.h>

namespace aurum::cli {
namespace {

TEST(UnifiedDiff, OfEqualTextsIsEmpty) { EXPECT_EQ(unified_diff("a\nb\n", "a\nb\n"), ""); }

TEST(UnifiedDiff, ShowsThreeLinesOfContext) {
  EXPECT_EQ(unified_diff("1\n2\n3\n4\n5\nttl: 30\n", "1\n2\n3\n4\n5\nttl: 40\n"),
            "--- \n+++ \n@@ -3,4 +3,4 @@\n 3\n 4\n 5\n-ttl: 30\n+ttl: 40\n");
}

TEST(UnifiedDiff, CountsFromOneAndLeavesOutALengthOfOne) {
  EXPECT_EQ(unified_diff("", "a\n"), "--- \n+++ \n@@ -0,0 +1 @@\n+a\n");
  EXPECT_EQ(unified_diff("a\n", "b\n"), "--- \n+++ \n@@ -1 +1 @@\n-a\n+b\n");
}

TEST(UnifiedDiff, SplitsHunksThatAreSevenLinesApart) {
  const std::string six = "1\n2\n3\n4\n5\n6\n";
  EXPECT_EQ(unified_diff("x\n" + six + "x\n", "y\n" + six + "y\n"),
            "--- \n+++ \n@@ -1,8 +1,8 @@\n-x\n+y\n 1\n 2\n 3\n 4\n 5\n 6\n-x\n+y\n");
  EXPECT_EQ(
      unified_diff("x\n" + six + "7\nx\n", "y\n" + six + "7\ny\n"),
      "--- \n+++ \n@@ -1,4 +1,4 @@\n-x\n+y\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-x\n+y\n");
}

}  // namespace
}  // namespace aurum::cli
