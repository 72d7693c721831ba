#include "model/config_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::model {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

Value tree(const char* yaml) { return parse_yaml(yaml).value(); }

TEST(ChangedKeys, NameEachLeafAndNoValue) {
  struct Case {
    const char *before, *after;
    std::vector<std::string> keys;
  };
  const Case cases[] = {
      {"{ttl: 30}", "{ttl: 30}", {}},
      {"{ttl: 30}", "{ttl: 20, pause: true}", {"ttl", "pause"}},
      {"{ttl: 30, pause: true}", "{ttl: 30}", {"pause"}},
      {"{}",
       "{postgresql: {parameters: {work_mem: 4MB, a.b: 1}}}",
       {"postgresql.parameters.work_mem", "postgresql.parameters.a.b"}},
      {"{postgresql: {parameters: {work_mem: 4MB}, use_slots: true}}",
       "{postgresql: {}}",
       {"postgresql.parameters.work_mem", "postgresql.use_slots"}},
      {"{}", "{slots: {}}", {"slots"}},
      {"{slots: {}}", "{slots: {a: 1}}", {"slots.a"}},
      {"{postgresql: {pg_hba: [a, b]}}", "{postgresql: {pg_hba: [b]}}", {"postgresql.pg_hba"}},
      // A map in the place of something else, and the other way round.
      {"{slots: 1}", "{slots: {a: {type: physical}}}", {"slots.a.type", "slots"}},
      {"{slots: {a: {type: physical}}}", "{slots: 1}", {"slots.a.type", "slots"}},
      {"null", "{ttl: 1}", {"ttl"}},
      {"{ttl: 1}", "null", {"ttl"}},
      // A number for a text is another value.
      {"{ttl: 30}", "{ttl: '30'}", {"ttl"}},
  };
  for (const auto& c : cases)
    EXPECT_THAT(changed_keys(tree(c.before), tree(c.after)), ElementsAreArray(c.keys))
        << c.before << " to " << c.after;
}

TEST(CommandKeys, AreTheKeysThatRunOrLoadSomethingOrLetPeopleIn) {
  for (const char* path :
       {"postgresql.parameters.archive_command", "postgresql.parameters.Archive_Command",
        "postgresql.parameters.restore_command", "postgresql.parameters.archive_cleanup_command",
        "postgresql.parameters.recovery_end_command", "postgresql.parameters.archive_library",
        "postgresql.parameters.ssl_passphrase_command",
        "postgresql.parameters.shared_preload_libraries",
        "postgresql.parameters.session_preload_libraries",
        "postgresql.parameters.local_preload_libraries",
        "postgresql.parameters.oauth_validator_libraries",
        "postgresql.parameters.dynamic_library_path",
        "postgresql.parameters.extension_control_path", "postgresql.parameters.jit_provider",
        "postgresql.parameters.plperl.on_init", "postgresql.parameters.pltcl.start_proc",
        "postgresql.parameters.pgsodium.getkey_script", "postgresql.parameters.hba_file",
        "postgresql.parameters.log_filename", "postgresql.parameters.log_directory",
        "postgresql.parameters.include_dir", "postgresql.parameters.include",
        // Names that would begin another line, or are read without what surrounds them.
        "postgresql.parameters.archive_command ", "postgresql.parameters.a\nb",
        "postgresql.parameters.a = 1", "postgresql.parameters.",
        "postgresql.recovery_conf.restore_command", "postgresql.callbacks.on_start",
        "postgresql.callbacks", "postgresql.pre_promote", "postgresql.before_stop",
        "postgresql.create_replica_methods", "postgresql.create_replica_method",
        "postgresql.wal_e.command", "postgresql.basebackup", "postgresql.bin_name.postgres",
        "postgresql.bin_dir", "postgresql.custom_conf", "postgresql.pg_hba", "postgresql.pg_ident",
        "postgresql.nobody_knows", "standby_cluster.restore_command",
        "standby_cluster.create_replica_methods", "standby_cluster.archive_cleanup_command",
        "standby_cluster.host", "standby_cluster", "slots.cdc.plugin",
        "permanent_slots.cdc.plugin"})
    EXPECT_TRUE(runs_commands(path)) << path;
  for (const char* path : {"ttl",
                           "pause",
                           "synchronous_mode",
                           "slots.cdc.type",
                           "slots",
                           "ignore_slots",
                           "maximum_lag_on_failover",
                           "postgresql.use_pg_rewind",
                           "postgresql.use_slots",
                           "postgresql.parameters",
                           "postgresql.recovery_conf",
                           "postgresql.parameters.work_mem",
                           "postgresql.parameters.archive_mode",
                           "postgresql.parameters.archive_timeout",
                           "postgresql.parameters.max_connections",
                           "postgresql.parameters.wal_level",
                           "postgresql.parameters.log_file_mode",
                           "postgresql.parameters.pg_stat_statements.max",
                           "nobody_knows",
                           "nobody_knows.command",
                           "postgresql",
                           "postgresql_x"})
    EXPECT_FALSE(runs_commands(path)) << path;
}

TEST(CommandKeys, CountWhenTheyComeChangeOrGo) {
  const auto with = [](const std::string& command) {
    return tree(
        ("{ttl: 30, postgresql: {parameters: {archive_command: " + command + "}}}").c_str());
  };
  EXPECT_THAT(changed_command_keys(with("a"), with("a")), IsEmpty());
  EXPECT_THAT(changed_command_keys(with("a"), with("b")),
              ElementsAre("postgresql.parameters.archive_command"));
  EXPECT_THAT(changed_command_keys(with("a"), tree("{ttl: 20}")),
              ElementsAre("postgresql.parameters.archive_command"));
  EXPECT_THAT(changed_command_keys(tree("{ttl: 20}"), with("a")),
              ElementsAre("postgresql.parameters.archive_command"));
}

}  // namespace
}  // namespace aurum::model
