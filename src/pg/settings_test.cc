// Which value every setting gets, and what needs a restart.
#include "pg/settings.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::pg {
namespace {

using model::Value;
using testing::ElementsAre;

Value yaml(std::string_view text) {
  auto value = model::parse_yaml(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value ? *value : Value();
}

struct Fixture {
  model::LocalConfig local;
  model::DynamicConfig dynamic;
  model::PgTarget target;
  Fixture() {
    local.scope = "demo";
    local.pg.listen = "0.0.0.0:5433";
  }
  WantedSettings wanted() { return wanted_settings(local, dynamic, target, 15); }
  void parameters(std::string_view text) {
    dynamic.postgresql = Value::object();
    dynamic.postgresql.set("parameters", yaml(text));
  }
};

TEST(Settings, have_patronis_defaults) {
  Fixture f;
  auto out = f.wanted();
  const Settings expected{{"cluster_name", "demo"},
                          {"hot_standby", "on"},
                          {"listen_addresses", "0.0.0.0"},
                          {"max_connections", "100"},
                          {"max_locks_per_transaction", "64"},
                          {"max_prepared_transactions", "0"},
                          {"max_replication_slots", "10"},
                          {"max_wal_senders", "10"},
                          {"max_worker_processes", "8"},
                          {"port", "5433"},
                          {"track_commit_timestamp", "off"},
                          {"wal_level", "replica"},
                          {"wal_log_hints", "on"}};
  EXPECT_EQ(out.command_line, expected);
  EXPECT_EQ(out.file["wal_keep_size"], "128MB");
  EXPECT_EQ(out.file["wal_retrieve_retry_interval"], "100ms");
  EXPECT_TRUE(out.findings.empty());
}

TEST(Settings, archive_where_the_user_does_not) {
  struct Case {
    const char *parameters, *command, *mode, *timeout;
  };
  for (const auto& c : {
           Case{"{}", "ours", "on", "60s"},
           Case{"{archive_mode: always, archive_timeout: 5min}", "ours", "always", "5min"},
           Case{"{archive_mode: off}", "", "off", ""},
           Case{"{archive_command: theirs}", "theirs", "", ""},
           Case{"{archive_library: theirs}", "", "", ""},
           Case{"{archive_library: '', archive_mode: on}", "ours", "on", "60s"},
       }) {
    Fixture f;
    f.parameters(c.parameters);
    f.local.pg.archive_command = "ours";
    auto out = f.wanted().file;
    EXPECT_EQ(out["archive_command"], c.command) << c.parameters;
    EXPECT_EQ(out["archive_mode"], c.mode) << c.parameters;
    EXPECT_EQ(out["archive_timeout"], c.timeout) << c.parameters;
  }
}

TEST(Settings, owned_ones_are_checked) {
  struct Case {
    const char *name, *given, *used;
    bool finding;
  };
  for (auto [name, given, used, finding] : {
           Case{"max_connections", "200", "200", false},
           Case{"max_connections", "'300'", "300", false},
           Case{"max_connections", "24", "100", true},
           Case{"max_connections", "lots", "100", true},
           Case{"max_connections", "999999999999", "100", true},
           Case{"wal_level", "logical", "logical", false},
           Case{"wal_level", "hot_standby", "replica", false},
           Case{"wal_level", "minimal", "replica", true},
           Case{"hot_standby", "off", "on", true},
           Case{"wal_log_hints", "'off'", "off", false},
           Case{"track_commit_timestamp", "1", "on", false},
           Case{"max_wal_senders", "2", "10", true},
       }) {
    Fixture f;
    f.parameters(std::string(name) + ": " + given);
    auto out = f.wanted();
    EXPECT_EQ(out.command_line[name], used) << name << " " << given;
    EXPECT_EQ(!out.findings.empty(), finding) << name << " " << given;
  }
}

TEST(Settings, local_ones_win_except_the_owned) {
  Fixture f;
  f.parameters("{work_mem: 4MB, shared_buffers: 1GB, max_connections: 150}");
  f.local.pg.parameters =
      yaml("{work_mem: 8MB, max_connections: 500, shared_buffers: null, port: 1}");
  auto out = f.wanted();
  EXPECT_EQ(out.file["work_mem"], "8MB");
  EXPECT_FALSE(out.file.contains("shared_buffers"));
  EXPECT_EQ(out.command_line["max_connections"], "150");
  EXPECT_EQ(out.command_line["port"], "5433");
  EXPECT_EQ(out.findings.size(), 2U);
}

TEST(Settings, the_user_may_set_what_is_only_a_better_default) {
  Fixture f;
  f.parameters("{wal_retrieve_retry_interval: 2s}");
  EXPECT_EQ(f.wanted().file["wal_retrieve_retry_interval"], "2s");
}

TEST(Settings, wal_keep_is_a_size) {
  struct Case {
    const char *given, *used;
  };
  for (auto [given, used] :
       {Case{"{wal_keep_segments: 100}", "1600MB"}, Case{"{wal_keep_size: 1GB}", "1024MB"},
        Case{"{wal_keep_size: 256}", "256MB"}, Case{"{wal_keep_size: 1MB}", "128MB"},
        Case{"{wal_keep_segments: 0}", "128MB"}}) {
    Fixture f;
    f.parameters(given);
    EXPECT_EQ(f.wanted().file["wal_keep_size"], used) << given;
  }
}

TEST(Settings, the_target_owns_synchronous_standby_names_when_it_says_so) {
  Fixture f;
  f.parameters("{synchronous_standby_names: mine}");
  EXPECT_EQ(f.wanted().file["synchronous_standby_names"], "mine");
  f.target.synchronous_standby_names = "";
  EXPECT_EQ(f.wanted().file["synchronous_standby_names"], "");
}

TEST(Settings, a_standby_is_raised_to_its_primarys_limits) {
  Fixture f;
  auto wanted = f.wanted();
  model::ControlData control;
  control.limits = {{"max_connections", 200}, {"max_wal_senders", 5}, {"max_worker_processes", 16}};
  EXPECT_THAT(raise_to_control_data(wanted, control),
              ElementsAre("max_connections", "max_worker_processes"));
  EXPECT_EQ(wanted.command_line["max_connections"], "200");
  EXPECT_EQ(wanted.command_line["max_wal_senders"], "10");
}

TEST(SameSetting, knows_units_and_spellings) {
  struct Case {
    RunningSetting running;
    const char* wanted;
    bool same;
  };
  for (const auto& [running, wanted, same] : {
           Case{{"shared_buffers", "16384", "8kB", "integer", "128MB"}, "128MB", true},
           Case{{"shared_buffers", "16384", "8kB", "integer", "128MB"}, "0.125 GB", true},
           Case{{"shared_buffers", "16384", "8kB", "integer", "128MB"}, "256MB", false},
           Case{{"shared_buffers", "16384", "8kB", "integer", "128MB"}, "16384", true},
           Case{{"x", "60", "s", "integer", "1min"}, "1min", true},
           Case{{"x", "60", "s", "integer", "1min"}, "60000ms", true},
           Case{{"x", "60", "s", "integer", "1min"}, "60MB", false},
           Case{{"x", "100", "", "integer", "100"}, "0100", true},
           Case{{"x", "on", "", "bool", "on"}, "yes", true},
           Case{{"x", "on", "", "bool", "on"}, "off", false},
           Case{{"wal_level", "replica", "", "enum", "replica"}, "Replica", true},
           Case{{"x", "on", "", "enum", "on"}, "true", true},
           Case{{"x", "a", "", "string", "a"}, "A", false},
           Case{{"x", "0.5", "", "real", "0.5"}, ".50", true},
       })
    EXPECT_EQ(same_setting(running, wanted), same)
        << running.name << "=" << running.setting << " / " << wanted;
}

TEST(PendingRestart, names_what_differs_with_old_and_new) {
  Fixture f;
  f.parameters("{max_connections: 200, shared_buffers: 128MB}");
  auto reason = pending_restart_reason({{"max_connections", "100", "", "integer", "100"},
                                        {"shared_buffers", "16384", "8kB", "integer", "128MB"},
                                        {"huge_pages", "try", "", "enum", "try"}},
                                       f.wanted());
  EXPECT_EQ(model::to_json(reason), R"({"max_connections":{"old_value":"100","new_value":"200"}})");
  EXPECT_TRUE(pending_restart_reason({}, f.wanted()).is_null());
  // A restored primary: its recovery is over, whatever it aimed at.
  EXPECT_TRUE(pending_restart_reason({{"recovery_target_name", "here", "", "string", "here", "x"}},
                                     f.wanted())
                  .is_null());
}

}  // namespace
}  // namespace aurum::pg
