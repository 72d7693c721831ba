// What is read from PostgreSQL and from the machine: pg_controldata, lock file, /proc, probe rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pg/control_data.h"
#include "pg/postmaster.h"
#include "pg/probe.h"
#include "pg/programs.h"

namespace aurum::pg {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kControl =
    "pg_control version number:            1300\n"
    "Database system identifier:           7711107481864800092\n"
    "Database cluster state:               in archive recovery\n"
    "Latest checkpoint location:           0/17529B0\n"
    "Latest checkpoint's REDO location:    0/1752978\n"
    "Latest checkpoint's TimeLineID:       3\n"
    "Minimum recovery ending location:     1/A0\n"
    "Min recovery ending loc's timeline:   3\n"
    "wal_log_hints setting:                on\n"
    "max_connections setting:              150\n"
    "max_prepared_xacts setting:           7\n"
    "max_locks_per_xact setting:           64\n"
    "Data page checksum version:           1\n";

TEST(ControlData, is_read) {
  auto data = parse_control_data(kControl);
  ASSERT_TRUE(data) << data.error().text();
  EXPECT_EQ(data->state, "in archive recovery");
  EXPECT_EQ(data->system_identifier, "7711107481864800092");
  EXPECT_EQ(to_string(data->checkpoint), "0/17529B0");
  EXPECT_EQ(to_string(data->redo), "0/1752978");
  EXPECT_EQ(data->timeline, 3U);
  EXPECT_EQ(to_string(data->minimum_recovery_end), "1/A0");
  EXPECT_EQ(data->minimum_recovery_timeline, 3U);
  EXPECT_TRUE(data->data_checksums);
  EXPECT_TRUE(data->wal_log_hints);
  EXPECT_EQ(data->limits.at("max_connections"), 150);
  EXPECT_EQ(data->limits.at("max_prepared_transactions"), 7);
  EXPECT_FALSE(data->limits.contains("max_wal_senders"));
}

TEST(ControlData, damage_and_nonsense_are_refused) {
  EXPECT_FALSE(parse_control_data(""));
  EXPECT_FALSE(parse_control_data("Database cluster state: x\n"));
  EXPECT_EQ(
      parse_control_data(
          std::string("WARNING: Calculated CRC checksum does not match value stored in file.\n") +
          kControl)
          .error()
          .code,
      Code::invalid);
}

TEST(PostmasterPid, is_read_line_by_line) {
  auto file =
      parse_postmaster_pid("4711\n/d\n1700000000\n5433\n/tmp\n127.0.0.1\n  1 2\nready   \n");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->pid, 4711);
  EXPECT_EQ(file->port, 5433);
  EXPECT_EQ(file->socket_dir, "/tmp");
  EXPECT_EQ(file->listen_address, "127.0.0.1");
  EXPECT_EQ(file->status, "ready");
}

TEST(PostmasterPid, a_short_or_single_user_file_is_no_server) {
  EXPECT_FALSE(parse_postmaster_pid(""));
  EXPECT_FALSE(parse_postmaster_pid("-12\n/d\n"));
  EXPECT_FALSE(parse_postmaster_pid("x\n"));
  auto young = parse_postmaster_pid("12\n/d\n1700000000\n");
  ASSERT_TRUE(young);
  EXPECT_EQ(young->status, "");
}

TEST(ProcessStat, survives_names_with_blanks_and_parentheses) {
  auto stat =
      parse_process_stat("12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->start_ticks, 987654U);
  EXPECT_FALSE(parse_process_stat("12 (a"));
  EXPECT_FALSE(parse_process_stat("12 (a) S 1 2"));
}

TEST(Version, of_postgres_and_others) {
  EXPECT_EQ(*parse_version("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"), 15);
  EXPECT_EQ(*parse_version("postgres (PostgreSQL) 18beta1"), 18);
  EXPECT_FALSE(parse_version("mysqld 8"));
}

TEST(ToolReason, is_the_line_the_tool_calls_an_error) {
  runtime::ProcessEnd end;
  end.exit_code = 1;
  end.err =
      "pg_basebackup: error: connection to server failed: FATAL:  password authentication failed "
      "for user \"r\"\n"
      "password retrieved from file \"/x\"\npg_basebackup: removing data directory\n";
  EXPECT_EQ(tool_reason(end),
            "connection to server failed: FATAL:  password authentication failed for user \"r\"");
  end.err = "something else\n";
  EXPECT_EQ(tool_reason(end), end.reason());
}

TEST(Environment, holds_no_secrets_of_ours) {
  ::setenv("PATRONI_SUPERUSER_PASSWORD", "hush", 1);
  ::setenv("NOTIFY_SOCKET", "/x", 1);
  ::setenv("PG_MALLOC_ARENA_MAX", "3", 1);
  for (const auto& environment :
       {plain_environment({"A=1"}), child_environment({"A=1"}), postmaster_environment()}) {
    EXPECT_THAT(environment, Not(testing::Contains(HasSubstr("hush"))));
    EXPECT_THAT(environment, Not(testing::Contains(testing::StartsWith("NOTIFY_SOCKET="))));
  }
  EXPECT_THAT(child_environment({"A=1"}),
              testing::IsSupersetOf({std::string("A=1"), std::string("LC_ALL=C")}));
  EXPECT_THAT(postmaster_environment(), testing::Contains("MALLOC_ARENA_MAX=3"));
}

TEST(ProbeSql, asks_each_version_only_for_what_it_has) {
  EXPECT_THAT(probe_sql(170000, false), HasSubstr("temporary, failover, database"));
  EXPECT_THAT(probe_sql(150000, false), HasSubstr("false AS failover"));
  EXPECT_THAT(probe_sql(150000, false), Not(HasSubstr("pg_settings")));
  EXPECT_THAT(probe_sql(150000, true), HasSubstr("pg_settings"));
}

TEST(Probe, another_shape_is_a_protocol_error) {
  model::PgFacts facts;
  EXPECT_EQ(read_probe({}, facts).error().code, Code::protocol);
  EXPECT_EQ(read_probe({Rows{}, Rows{}, Rows{}}, facts).error().code, Code::protocol);
}

TEST(FlushWatch, asks_for_proof_only_when_flushing_stands_still_behind_inserting) {
  FlushWatch watch;
  const auto patience = seconds(1);
  auto at = [](int ms) { return Instant{} + milliseconds(1000 + ms); };
  using model::Lsn;
  EXPECT_FALSE(watch.observe(Lsn{100}, Lsn{100}, at(0), patience));  // idle
  EXPECT_FALSE(watch.observe(Lsn{100}, Lsn{100}, at(60000),
                             patience));  // idle for long: still nothing to prove
  EXPECT_FALSE(watch.observe(Lsn{200}, Lsn{100}, at(61000), patience));  // something was inserted
  EXPECT_FALSE(watch.observe(Lsn{300}, Lsn{200}, at(61500), patience));  // and flushed
  EXPECT_FALSE(watch.observe(Lsn{300}, Lsn{200}, at(62000), patience));
  EXPECT_TRUE(watch.observe(Lsn{400}, Lsn{200}, at(63000), patience));
  EXPECT_EQ(to_ms(watch.stuck_for(at(63000))), 1500);
  watch.reset();
  EXPECT_FALSE(watch.observe(Lsn{400}, Lsn{400}, at(64000), patience));
}

TEST(SqlText, is_quoted) {
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\b"), "E'a\\\\b'");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
}

TEST(Sqlstate, becomes_a_kind) {
  EXPECT_EQ(code_of_sqlstate("28P01"), Code::permission);
  EXPECT_EQ(code_of_sqlstate("57P03"), Code::unavailable);
  EXPECT_EQ(code_of_sqlstate("57014"), Code::timeout);
  EXPECT_EQ(code_of_sqlstate("42710"), Code::exists);
  EXPECT_EQ(code_of_sqlstate("42704"), Code::not_found);
  EXPECT_EQ(code_of_sqlstate("22023"), Code::invalid);
}

}  // namespace
}  // namespace aurum::pg
