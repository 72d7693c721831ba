// An old primary whose history has branched off: it comes back by pg_rewind, or as a new copy with
// the old one kept aside. Which of the two it was stands in its log.
#include <fmt/format.h>

#include "support/cluster_test.h"
#include "support/scripts.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;

class Rejoin : public ClusterTest {
 protected:
  /// The leader's node dies, another one takes over, and the dead one's data goes its own way: rows
  /// that nobody else has, as a primary alone behind a cut would have written them.
  std::size_t branch_off_the_leader() {
    const std::size_t old = leader();
    if (!cluster().kill(old, Part::node)) throw std::runtime_error("nothing to kill");
    other_leader(old);
    wait_for_writes();
    run_as_account(cluster(),
                   fmt::format("{}/postgres --single -D {} -c archive_mode=off postgres",
                               need(stack::find_postgres_bin_dir(cluster().plan())),
                               cluster().data_of(old).string()),
                   "CREATE TABLE branch AS SELECT g FROM generate_series(1, 1000) g\n");
    return old;
  }
  /// The branch's rows are nowhere, and everybody has the acknowledged ones.
  void come_back(std::size_t old) {
    need(cluster().start_node(old));
    settle_and_judge(Loss::before_takeover);
    EXPECT_NE(leader(), old);
    EXPECT_EQ(
        sql(cluster(), old, "SELECT count(*) FROM pg_class WHERE relname = 'branch'").value_or("?"),
        "0");
  }
  std::vector<fs::path> kept_aside(std::size_t node) {
    std::vector<fs::path> found;
    const fs::path data = cluster().data_of(node);
    for (const auto& entry : fs::directory_iterator(data.parent_path())) {
      if (entry.path().filename().string().starts_with(data.filename().string() + ".aside-"))
        found.push_back(entry.path());
    }
    return found;
  }
};

class RejoinWithoutRewind : public Rejoin {
  void plan(stack::Plan& p) override {
    p.overrides = R"({"bootstrap": {"dcs": {"postgresql": {"use_pg_rewind": false}}}})";
  }
};

TEST_F(Rejoin, a_primary_that_branched_off_is_rewound) {
  const std::size_t old = branch_off_the_leader();
  const std::size_t end = log_end(old);
  come_back(old);
  const std::string log = log_since(old, end);
  EXPECT_NE(log.find("running pg_rewind from "), std::string::npos) << log;
  EXPECT_NE(log.find("pg_rewind from " + name(leader()) + " succeeded"), std::string::npos) << log;
  EXPECT_EQ(log.find("copying the data directory anew"), std::string::npos) << log;
  EXPECT_TRUE(kept_aside(old).empty());
}

// The rows that only it had are still somewhere, and a node that branches off again and again does
// not fill its disk with them.
TEST_F(RejoinWithoutRewind, a_primary_that_branched_off_is_copied_and_its_data_kept_aside) {
  constexpr std::size_t kKept = 2;
  for (std::size_t round = 1; round <= kKept + 1; ++round) {
    begin_history();
    const std::size_t old = branch_off_the_leader();
    const std::size_t end = log_end(old);
    const std::size_t before = kept_aside(old).size();
    come_back(old);
    const std::string log = log_since(old, end);
    EXPECT_NE(log.find("copying the data directory anew from "), std::string::npos) << log;
    EXPECT_NE(log.find("kept the old data directory as "), std::string::npos) << log;
    EXPECT_EQ(log.find("running pg_rewind"), std::string::npos) << log;
    const auto kept = kept_aside(old);
    EXPECT_EQ(kept.size(), std::min(before + 1, kKept));
    for (const auto& dir : kept) EXPECT_TRUE(fs::exists(dir / "global" / "pg_control")) << dir;
    // The same node next time.
    if (round <= kKept) need(cluster().switchover(name(old)));
  }
}

}  // namespace
}  // namespace aurum::tests
