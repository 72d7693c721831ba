// bootstrap.<method> and create_replica_methods with programs as users write them: a restore to a
// point in time from a copy and an archive, and a copy of the leader.
#include <fmt/format.h>

#include "support/cluster_test.h"
#include "support/scripts.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;

class CustomMethods : public ::testing::Test {
 protected:
  /// A cluster with an archive: a copy of it, then a row, then the point "here", then another row.
  void make_backup() {
    source_ = need(stack::Scratch::make(1, 1));
    source_->plan().overrides = fmt::format(
        R"({{"postgresql": {{"parameters": {{"archive_mode": "on", "archive_command": "{} %p %f"}}}}}})",
        script_path(source_->plan(), "archive"));
    need(source_->create());
    auto& c = source_->cluster();
    write_script(
        c, "archive",
        "mkdir -p {dir}/wal && cp $1 {dir}/wal/$2.new && mv {dir}/wal/$2.new {dir}/wal/$2");
    need(source_->start(seconds(120)));
    const auto& node = c.plan().nodes[0];
    run_as_account(
        c, fmt::format("{}/pg_basebackup -D {}/backup -X none -c fast -d 'host={} port={} "
                       "user=replicator password={}'",
                       need(stack::find_postgres_bin_dir(c.plan())), scripts(c).string(), node.host,
                       node.postgres_port, c.secrets().replication));
    for (const char* statement :
         {"CREATE TABLE kept AS SELECT 1 AS row", "SELECT pg_create_restore_point('here')",
          "INSERT INTO kept VALUES (2)"})
      need(sql(c, 0, statement));
    const auto wal = need(sql(c, 0, "SELECT pg_walfile_name(pg_current_wal_lsn())"));
    need(sql(c, 0, "SELECT pg_switch_wal()"));
    wait_until(wal + " in the archive", [&] { return fs::exists(scripts(c) / "wal" / wal); });
    need(c.stop_node(0));
  }
  static fs::path scripts(const stack::Cluster& c) {
    return fs::path(script_path(c.plan(), "x")).parent_path();
  }

  std::unique_ptr<stack::Scratch> source_;
};

TEST_F(CustomMethods, a_cluster_is_restored_to_a_point_and_replicas_are_made_by_a_script) {
  make_backup();
  auto scratch = need(stack::Scratch::make(2, 1));
  auto& plan = scratch->plan();
  plan.overrides = fmt::format(
      R"({{"bootstrap": {{"method": "restore",
             "restore": {{"command": "{0} more", "colour": "blue",
               "recovery_conf": {{"restore_command": "cp {1}/wal/%f %p", "recovery_target_name": "here",
                                  "recovery_target_action": "promote"}}}}}},
           "postgresql": {{"create_replica_methods": ["broken", "copy", "basebackup"],
             "broken": {{"command": "/bin/false"}},
             "copy": {{"command": "{2}", "speed": 3, "no_params": false}}}}}})",
      script_path(plan, "restore"), scripts(source_->cluster()).string(),
      script_path(plan, "copy"));
  need(scratch->create());
  auto& c = scratch->cluster();
  write_script(c, "restore",
               fmt::format(R"(echo "$@" > {{dir}}/restore.args
for a in "$@"; do case $a in --datadir=*) dir=${{a#--datadir=}};; esac; done
mkdir -p $dir && chmod 700 $dir && cp -a {}/backup/. $dir/)",
                           scripts(source_->cluster()).string()));
  std::string copying = R"(echo "$@" > {dir}/copy.args
for a in "$@"; do case $a in --datadir=*) dir=${a#--datadir=};; --connstring=*) from=${a#--connstring=};; esac; done
{bin}/pg_basebackup -D $dir -X stream -c fast -d "$from")";
  copying.replace(copying.find("{bin}"), 5, need(stack::find_postgres_bin_dir(plan)));
  write_script(c, "copy", copying);
  need(scratch->start(seconds(120)));
  const std::size_t lead = c.leader().value();
  const std::size_t other = 1 - lead;

  // The point in time: the first row, not the second; and a timeline of its own.
  EXPECT_EQ(sql(c, lead, "SELECT string_agg(row::text, ' ') FROM kept").value_or("?"), "1");
  EXPECT_EQ(c.observe().nodes[lead].timeline, 2);
  EXPECT_EQ(sql(c, other, "SELECT string_agg(row::text, ' ') FROM kept").value_or("?"), "1");
  // The options, and the section's own keys; nothing else of the section.
  const std::string restore = script_output(c, "restore.args");
  EXPECT_EQ(restore, fmt::format("more --scope={} --datadir={} --colour=blue\n", plan.scope,
                                 c.data_of(lead).string()));
  const std::string copy = script_output(c, "copy.args");
  EXPECT_TRUE(copy.starts_with(fmt::format("--speed=3 --scope={} --role=replica --datadir={} ",
                                           plan.scope, c.data_of(other).string())))
      << copy;
  EXPECT_NE(copy.find("--connstring="), std::string::npos) << copy;
  EXPECT_NE(file_text(c.log_of(c.plan().nodes[other].name)).find("by copy"), std::string::npos);
  // The passwords are this cluster's (sql() logs in with them), and the door is shut again.
  const std::string hba = file_text(c.data_of(lead) / "pg_hba.conf");
  EXPECT_EQ(hba.find("trust"), std::string::npos) << hba;
  EXPECT_FALSE(fs::exists(c.data_of(lead) / "recovery.signal"));
  EXPECT_FALSE(fs::exists(c.data_of(lead) / "aurum.founding"));
  EXPECT_FALSE(fs::exists(c.data_of(other) / "aurum.founding"));
  EXPECT_EQ(c.observe().nodes[lead].tag,
            "");  // no restart is pending for a target that was reached
}

// What pgBackRest and its like leave: settings in postgresql.auto.conf, and recovery.signal.
TEST_F(CustomMethods, settings_that_the_method_left_are_kept_when_it_is_asked) {
  make_backup();
  auto scratch = need(stack::Scratch::make(1, 1));
  auto& plan = scratch->plan();
  plan.overrides = fmt::format(
      R"({{"bootstrap": {{"method": "restore",
             "restore": {{"command": "{}", "keep_existing_recovery_conf": true, "no_params": true}}}}}})",
      script_path(plan, "restore"));
  need(scratch->create());
  auto& c = scratch->cluster();
  write_script(c, "restore",
               fmt::format(R"(echo "args: $@" > {{dir}}/restore.args
dir={0}
mkdir -p $dir && chmod 700 $dir && cp -a {1}/backup/. $dir/ && touch $dir/recovery.signal
echo "restore_command = 'cp {1}/wal/%f %p'" >> $dir/postgresql.auto.conf
echo "recovery_target_name = 'here'" >> $dir/postgresql.auto.conf
echo "recovery_target_action = 'promote'" >> $dir/postgresql.auto.conf)",
                           c.data_of(0).string(), scripts(source_->cluster()).string()));
  need(scratch->start(seconds(120)));
  EXPECT_EQ(sql(c, 0, "SELECT string_agg(row::text, ' ') FROM kept").value_or("?"), "1");
  EXPECT_EQ(script_output(c, "restore.args"), "args: \n");
}

// The restore is there, and its recovery is not over: the agent is killed, and comes back.
TEST_F(CustomMethods, a_restore_that_is_cut_short_goes_on_where_it_was) {
  make_backup();
  auto scratch = need(stack::Scratch::make(1, 1));
  auto& plan = scratch->plan();
  plan.overrides = fmt::format(
      R"({{"bootstrap": {{"method": "restore", "restore": {{"command": "{0}",
               "recovery_conf": {{"restore_command": "{1} %f %p", "recovery_target_name": "here",
                                  "recovery_target_action": "promote"}}}}}}}})",
      script_path(plan, "restore"), script_path(plan, "fetch"));
  need(scratch->create());
  auto& c = scratch->cluster();
  write_script(
      c, "restore",
      fmt::format(
          "echo run >> {{dir}}/runs; mkdir -p {0} && chmod 700 {0} && cp -a {1}/backup/. {0}/",
          c.data_of(0).string(), scripts(source_->cluster()).string()));
  write_script(
      c, "fetch",
      fmt::format("echo $1 >> {{dir}}/fetched; [ -e {{dir}}/go ] || sleep 600; cp {}/wal/$1 $2",
                  scripts(source_->cluster()).string()));
  need(c.start_etcd(0));
  need(c.wait_etcd_healthy(seconds(60)));
  need(c.start_node(0));
  wait_until("recovery", [&] { return !script_output(c, "fetched").empty(); });
  ASSERT_TRUE(c.kill(0, Part::node));
  write_script(c, "go", "");
  need(c.start_node(0));
  need(c.wait_healthy(seconds(60)));
  EXPECT_EQ(sql(c, 0, "SELECT string_agg(row::text, ' ') FROM kept").value_or("?"), "1");
  EXPECT_EQ(script_output(c, "runs"), "run\n") << "the method was run again";
}

}  // namespace
}  // namespace aurum::tests
