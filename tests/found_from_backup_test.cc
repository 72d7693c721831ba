// A new cluster is founded from another one's backups by its patroni.yml: by `aurum restore`,
// beside a cluster that lives on, and by pgBackRest's own restore, in the place of one that is
// lost.
#include <filesystem>

#include <fmt/format.h>

#include "support/backups.h"
#include "support/scripts.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;

/// The program as the cluster's account can run it.
std::string program_of(const Cluster& cluster) {
  const fs::path copy = cluster.plan().dir / "bin" / "aurum";
  return fs::exists(copy) ? copy.string() : need(stack::own_program());
}

std::string system_identifier(const Cluster& cluster, std::size_t node) {
  return need(sql(cluster, node, "SELECT system_identifier FROM pg_control_system()"));
}

std::string rows(const Cluster& cluster, std::size_t node) {
  return sql(cluster, node, "SELECT string_agg(row::text, ' ' ORDER BY row) FROM kept")
      .value_or("?");
}

/// pgBackRest as its users call it, with the configuration of a node.
std::string pgbackrest(const Cluster& cluster, std::size_t node, const std::string& stanza,
                       const std::string& command) {
  const auto conf = cluster.data_of(node).string() + ".pgbackrest/pgbackrest.conf";
  run_as_account(cluster, fmt::format("pgbackrest --config={} --stanza={} {} > {{dir}}/said 2>&1",
                                      conf, stanza, command));
  return script_output(cluster, "said");
}

class FoundedFromBackup : public BackupTest {
 protected:
  void plan(stack::Plan& plan) override {
    plan.nodes.resize(1);
    plan.etcds.resize(1);
    BackupTest::plan(plan);
  }
  bool writes() const override { return false; }

  /// Row 1 in a backup, row 2 behind it in the archive, then the point "here", then row 3.
  void make_past() {
    need(sql(cluster(), 0, "CREATE TABLE kept AS SELECT 1 AS row"));
    // With a bar for whoever looks on.
    const auto taken = aurum_on_terminal(cluster(), 0, "backup", "now --type full");
    ASSERT_EQ(taken.code, 0) << taken.text;
    EXPECT_NE(taken.text.find("\r\033[K[#"), std::string::npos) << taken.text;
    EXPECT_NE(taken.text.find("] 100 %"), std::string::npos) << taken.text;
    EXPECT_NE(taken.text.find("\nbackup "), std::string::npos) << taken.text;
    for (const char* statement :
         {"INSERT INTO kept VALUES (2)", "SELECT pg_create_restore_point('here')",
          "INSERT INTO kept VALUES (3)", "SELECT pg_switch_wal()"})
      need(sql(cluster(), 0, statement));
    const auto checked = aurum(cluster(), 0, "backup", "check");
    ASSERT_EQ(checked.code, 0) << checked.text;
  }

  /// Its aurum.backup has the repository of the old cluster, and a stanza of its own.
  std::unique_ptr<stack::Scratch> plan_new(const std::string& scope, const std::string& method,
                                           int nodes) {
    auto scratch = need(stack::Scratch::make(nodes, 1));
    auto& plan = scratch->plan();
    plan.scope = scope;
    plan.overrides = fmt::format(
        R"({{"bootstrap": {{"method": "from_backup", "from_backup": {{"command": "{}"{}}}}},
             "postgresql": {{"create_replica_methods": ["pgbackrest", "basebackup"],
                             "parameters": {{"unix_socket_directories": "{}"}}}},
             "aurum": {{"backup": {{
                "full": "off", "diff": "off", "incr": "off", "verify": "off",
                "repositories": [{{"path": "{}", "retention": {{"full": 9}}}}]}}}}}})",
        script_path(plan, "restore"), method, (plan.dir / "run").string(),
        repository_of(cluster().plan()));
    need(scratch->create());
    return scratch;
  }
};

TEST_F(FoundedFromBackup, a_cluster_of_its_own_beside_the_one_that_lives_on) {
  make_past();
  const std::string before = pgbackrest(cluster(), 0, cluster().plan().scope, "info");
  auto scratch = plan_new("copy", "", 2);
  auto& c = scratch->cluster();
  write_script(c, "restore",
               fmt::format("exec {} restore -c {} --name here \"$@\"", program_of(cluster()),
                           cluster().config_of(0).string()));
  need(scratch->start(seconds(120)));
  const std::size_t lead = c.observe().leader.value_or(0);

  EXPECT_EQ(rows(c, lead), "1 2") << "up to the point, and not behind it";
  EXPECT_EQ(rows(cluster(), 0), "1 2 3");
  EXPECT_NE(system_identifier(c, lead), system_identifier(cluster(), 0));
  // A stanza of its own, in which it archives and is backed up; and the replica comes from there.
  const auto taken = aurum(c, lead, "backup", "now --type full");
  ASSERT_EQ(taken.code, 0) << taken.text;
  const auto checked = aurum(c, lead, "backup", "check");
  EXPECT_EQ(checked.code, 0) << checked.text;
  EXPECT_EQ(checked.text.find("GAP"), std::string::npos) << checked.text;
  need(c.stop_node(1 - lead));
  need(c.wipe_node(1 - lead));
  need(c.start_node(1 - lead));
  need(c.wait_healthy(seconds(60)));
  EXPECT_NE(file_text(c.log_of(c.plan().nodes[1 - lead].name)).find("by pgbackrest"),
            std::string::npos);
  EXPECT_EQ(rows(c, 1 - lead), "1 2");
  // What the old cluster has is what it had, and its archive goes on.
  const auto old = aurum(cluster(), 0, "backup", "check");
  EXPECT_EQ(old.code, 0) << old.text;
  EXPECT_EQ(before.substr(0, before.find("wal archive")),
            pgbackrest(cluster(), 0, cluster().plan().scope, "info")
                .substr(0, before.find("wal archive")));
  // Nothing of the making is left.
  const auto data = c.data_of(lead);
  for (const char* name : {"recovery.signal", "aurum.founding", "aurum.new", "aurum.scratch.conf"})
    EXPECT_FALSE(fs::exists(data / name)) << name;
  EXPECT_EQ(file_text(data / "pg_hba.conf").find("trust"), std::string::npos);
}

/// All that a lost cluster left: its repository, in a new folder under its name.
class BroughtBack : public FoundedFromBackup {
 protected:
  void TearDown() override {
    FoundedFromBackup::TearDown();
    TearDownTestSuite();  // it is lost: the next test has another one
  }
  std::unique_ptr<stack::Scratch> lose_and_found(const std::string& command,
                                                 const std::string& method) {
    make_past();
    identity_ = system_identifier(cluster(), 0);
    timeline_ = cluster().observe().nodes[0].timeline;
    need(cluster().stop_node(0));
    auto scratch = plan_new(cluster().plan().scope, method, 1);
    auto& c = scratch->cluster();
    // Its own patroni.yml, and pgBackRest's file beside its data, tell where the backups are.
    write_script(c, "restore",
                 fmt::format(fmt::runtime(command), program_of(cluster()), c.config_of(0).string(),
                             c.data_of(0).string(), cluster().plan().scope));
    need(scratch->start(seconds(120)));
    return scratch;
  }
  void expect_whole(Cluster& c) {
    EXPECT_EQ(rows(c, 0), "1 2 3");
    EXPECT_EQ(system_identifier(c, 0), identity_);
    EXPECT_EQ(c.observe().nodes[0].timeline, timeline_ + 1);
    // Its archive and its backups go on where they were; the newest is of the old timeline.
    need(sql(c, 0, "INSERT INTO kept VALUES (4)"));
    const auto checked = aurum(c, 0, "backup", "check");
    ASSERT_EQ(checked.code, 0) << checked.text;
    const auto taken = aurum(c, 0, "backup", "now --type incr");
    ASSERT_EQ(taken.code, 0) << taken.text;
    EXPECT_NE(taken.text.find("incr"), std::string::npos) << taken.text;
    // Also from the old backup on, over both timelines.
    const auto proof =
        aurum(c, 0, "restore",
              fmt::format("--latest --backup {} --to-new-cluster proof --data-dir {}",
                          full_label(c), (c.plan().dir / "data" / "proof").string()));
    EXPECT_EQ(proof.code, 0) << proof.text;
  }
  static std::string full_label(const Cluster& c) {
    const auto said = aurum(c, 0, "backup", "list --json").text;
    const auto at = said.find("\"label\": \"");
    return at == std::string::npos ? said : said.substr(at + 10, 16);
  }
  std::string identity_;
  int timeline_ = 0;
};

TEST_F(BroughtBack, by_aurum_with_its_identity_and_stanza) {
  const auto scratch = lose_and_found("exec {0} restore -c {1} --latest --bring-back \"$@\"", "");
  expect_whole(scratch->cluster());
  const auto refused = aurum(scratch->cluster(), 0, "restore",
                             "--latest --bring-back --scope=copy --datadir=/nowhere/else");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.text.find("only an agent of that cluster"), std::string::npos) << refused.text;
}

using BroughtBackFull = BroughtBack;

TEST_F(BroughtBackFull, by_pgbackrest_as_a_patroni_yml_has_it) {
  const auto scratch =
      lose_and_found("exec pgbackrest --config={2}.pgbackrest/pgbackrest.conf --stanza={3} restore",
                     R"(, "keep_existing_recovery_conf": true, "no_params": true)");
  expect_whole(scratch->cluster());
}

// The restore and its server outlive the agent that asked for them; the next one begins anew.
TEST_F(BroughtBackFull, by_an_agent_whose_former_self_was_killed_over_it) {
  make_past();
  auto scratch = plan_new("copy", "", 1);
  auto& c = scratch->cluster();
  write_script(c, "restore",
               fmt::format("echo run >> {{dir}}/runs; exec {} restore -c {} --latest \"$@\"",
                           program_of(cluster()), cluster().config_of(0).string()));
  need(c.start_etcd(0));
  need(c.wait_etcd_healthy(seconds(60)));
  need(c.start_node(0));
  wait_until("a copy", [&] { return fs::exists(c.data_of(0) / "aurum.new" / "PG_VERSION"); });
  c.kill(0, Part::agent);
  need(c.start_node(0));
  need(c.wait_healthy(seconds(120)));
  EXPECT_EQ(rows(c, 0), "1 2 3");
  EXPECT_NE(system_identifier(c, 0), system_identifier(cluster(), 0));
  EXPECT_EQ(script_output(c, "runs"), "run\nrun\n");
  EXPECT_FALSE(fs::exists(c.data_of(0) / "aurum.new"));
}

}  // namespace
}  // namespace aurum::tests
