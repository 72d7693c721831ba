// A cluster is made, and something comes between.
#include <csignal>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "support/cluster_test.h"
#include "support/scripts.h"

namespace aurum::tests {
namespace {

/// One node whose post_bootstrap waits until the file `go` is there.
class Founding : public ::testing::Test {
 protected:
  void SetUp() override {
    scratch_ = need(stack::Scratch::make(1, 1));
    scratch_->plan().overrides = fmt::format(R"({{"bootstrap": {{"post_bootstrap": "{}"}}}})",
                                             script_path(scratch_->plan(), "post"));
    need(scratch_->create());
    write_script(cluster(), "post", "echo \"$1\" >> {dir}/runs; [ -e {dir}/go ] || sleep 600");
    need(cluster().start_etcd(0));
    need(cluster().wait_etcd_healthy(seconds(60)));
    need(cluster().start_node(0));
    // The script runs: initdb is over, the roles are not made.
    wait_until("post_bootstrap", [&] { return !script_output(cluster(), "runs").empty(); });
  }
  stack::Cluster& cluster() { return scratch_->cluster(); }
  std::string log() { return file_text(cluster().log_of(cluster().plan().nodes[0].name)); }

  /// Starts the agent again, with nothing in the way, and looks whether all of the founding was
  /// done.
  void finish() {
    write_script(cluster(), "go", "");
    need(cluster().start_node(0));
    wait_until("the cluster in the store",
               [&] { return !get_key(cluster(), "initialize").value_or("").empty(); });
    need(cluster().wait_healthy(seconds(60)));
    EXPECT_EQ(sql(cluster(), 0,
                  "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname IN "
                  "('replicator', 'rewinder')")
                  .value_or("no answer"),
              "replicator rewinder")
        << log();
    EXPECT_EQ(get_key(cluster(), "initialize").value_or(""),
              sql(cluster(), 0, "SELECT system_identifier FROM pg_control_system()").value_or("?"));
    wait_until("the end of the mark",
               [&] { return !std::filesystem::exists(cluster().data_of(0) / "aurum.founding"); });
    EXPECT_EQ(line_count(script_output(cluster(), "runs")), 2U);
  }

  std::unique_ptr<stack::Scratch> scratch_;
};

TEST_F(Founding, an_agent_killed_before_the_roles_are_made_makes_them_when_it_is_back) {
  ASSERT_TRUE(cluster().kill(0, Part::agent));
  finish();
}

TEST_F(Founding, a_node_killed_before_the_roles_are_made_makes_them_when_it_is_back) {
  ASSERT_TRUE(cluster().kill(0, Part::node));
  finish();
}

// The script is ended, not waited for.
TEST_F(Founding, an_agent_told_to_end_before_the_roles_are_made_makes_them_when_it_is_back) {
  const auto agent = cluster().agent(0);
  ASSERT_TRUE(agent);
  ASSERT_TRUE(stack::send_signal(*agent, SIGTERM));
  ASSERT_TRUE(stack::wait_gone(*agent, seconds(60))) << log();
  EXPECT_TRUE(cluster().processes(0, Part::node).empty()) << log();
  finish();
}

TEST_F(Founding, so_does_one_that_comes_back_when_the_store_has_forgotten_it) {
  ASSERT_TRUE(cluster().kill(0, Part::node));
  wait_until("the end of its lease", [&] {
    const auto key = cluster().leader_key();
    return key && key->value.empty();
  });
  finish();
}

}  // namespace
}  // namespace aurum::tests
