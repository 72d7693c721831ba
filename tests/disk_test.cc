// A leader whose disk is about to be full gives up its ballast and hands over, with a real
// PostgreSQL and etcd. The limits move, not the disk.

#include <fstream>

#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;

class Disk : public ClusterTest {
 protected:
  void plan(stack::Plan& p) override {
    p.overrides = R"({"aurum": {"disk": {"low": "1kB", "critical": "1kB", "ballast": "1MB"}}})";
  }
  fs::path ballast(std::size_t node) {
    return cluster().data_of(node) / "base/pgsql_tmp_aurum_ballast";
  }
  /// More than any volume has: from now on it is critical.
  void run_out_of_room(std::size_t node) {
    const fs::path file = cluster().config_of(node);
    std::string text = file_text(file);
    const auto at = text.find("1kB", text.find("critical"));
    ASSERT_NE(at, std::string::npos) << text;
    text.replace(at, 3, "900000TB");
    std::ofstream(file) << text;
    ask(node, "POST", "/reload", "", 202);
  }
};

TEST_F(Disk, a_leader_that_is_short_of_room_hands_over_and_loses_nothing) {
  const std::size_t old = leader();
  for (std::size_t node = 0; node < cluster().plan().nodes.size(); ++node)
    wait_for("the ballast", [&] { return fs::exists(ballast(node)); });
  run_out_of_room(old);
  const std::size_t next = other_leader(old, seconds(30));
  wait_for("the end of the ballast", [&] { return !fs::exists(ballast(old)); });
  EXPECT_TRUE(fs::exists(ballast(next)));
  EXPECT_NE(get_key(cluster(), "members/" + name(old)).value_or("").find("\"critical\""),
            std::string::npos);
  wait_for("metrics", [&] {
    return ask(old, "GET", "/metrics", "", 200).find("aurum_disk_level{") != std::string::npos;
  });
  wait_for_writes();
  wait_for("the former leader to stream", [&] { return cluster().observe().healthy(); });
  // A copy takes no ballast along: it is a temporary file to pg_basebackup.
  ask(old, "POST", "/reinitialize", "{}", 200);
  settle_and_judge();
  EXPECT_EQ(leader(), next);
  EXPECT_FALSE(fs::exists(ballast(old)));
}

}  // namespace
}  // namespace aurum::tests
