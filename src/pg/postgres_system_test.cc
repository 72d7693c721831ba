// One life of two PostgreSQL servers: made, cloned, promoted, diverged, rewound, frozen, crashed.
// Real programs, loopback only, temporary directories.
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "pg/callbacks.h"
#include "pg/testing/servers.h"

namespace aurum::pg {
namespace {

using model::DataDir;
using ::testing::AllOf;
using testing::free_port;
using ::testing::HasSubstr;
using testing::PostgresSystem;

TEST_F(PostgresSystem, a_new_cluster_a_replica_a_failover_and_the_old_primary_comes_back) {
  bootstrap();
  EXPECT_EQ(wait(one_.pg.initdb(dynamic_)).error().code, Code::exists);

  auto facts = wait(one_.pg.probe(seconds(2)));
  ASSERT_TRUE(facts.accepting) << facts.probe_error;
  EXPECT_FALSE(facts.in_recovery);
  EXPECT_EQ(facts.timeline, 1U);
  EXPECT_EQ(facts.system_identifier, system_identifier_);
  EXPECT_EQ(facts.data_dir, DataDir::ready);
  EXPECT_GE(facts.server_version, 130000);
  EXPECT_EQ(facts.postmaster_start_time.size(),
            std::string("2026-11-22 18:44:14.308000+00:00").size());
  EXPECT_TRUE(facts.flush_lsn);
  EXPECT_TRUE(facts.pending_restart_reason.is_null())
      << model::to_json(facts.pending_restart_reason);

  make_replica();
  EXPECT_THAT(progress_, HasSubstr("copied"));
  EXPECT_FALSE(fs::exists(two_.config.pg.data_dir / kMarker));
  auto replica =
      probe_until(two_, [](const auto& f) { return f.replication_state == "streaming"; });
  EXPECT_TRUE(replica.in_recovery);
  EXPECT_EQ(replica.replication_state, "streaming");
  EXPECT_EQ(replica.primary_conninfo_host, "127.0.0.1");
  EXPECT_EQ(replica.primary_conninfo_port, one_.config.pg.port());
  EXPECT_EQ(replica.primary_slot_name, "node_2");
  EXPECT_EQ(replica.timeline, 1U);
  auto primary = probe_until(one_, [](const auto& f) {
    return f.senders.size() == 1 && f.slots.size() == 1 && f.slots[0].active;
  });
  ASSERT_EQ(primary.senders.size(), 1U);
  EXPECT_EQ(primary.senders[0].application_name, "node-2");
  EXPECT_EQ(primary.senders[0].usename, "replicator");
  ASSERT_EQ(primary.slots.size(), 1U);
  EXPECT_TRUE(primary.slots[0].active);

  // The old primary dies with a row that nobody else has.
  EXPECT_EQ(sql(one_, "CREATE TABLE t(i int); INSERT INTO t VALUES (1) RETURNING i"), "1");
  const auto written = wait(one_.pg.probe(seconds(2))).flush_lsn;
  probe_until(two_, [&](const auto& f) { return f.replayed_lsn && *f.replayed_lsn >= written; });
  ASSERT_TRUE(wait(two_.pg.configure(model::PgTarget{}, dynamic_)));
  probe_until(two_, [](const auto& f) { return f.replication_state.empty(); });
  EXPECT_EQ(sql(one_, "INSERT INTO t VALUES (99) RETURNING i"), "99");
  crash(one_);

  auto promoted = wait(two_.pg.promote(1));
  ASSERT_TRUE(promoted) << promoted.error().text();
  facts = wait(two_.pg.probe(seconds(2)));
  EXPECT_TRUE(facts.accepting);
  EXPECT_FALSE(facts.in_recovery);
  EXPECT_EQ(facts.timeline, 2U);
  ASSERT_TRUE(wait(two_.pg.configure(model::PgTarget{.primary = true}, dynamic_)));
  EXPECT_EQ(sql(two_, "INSERT INTO t VALUES (2) RETURNING i"), "2");

  auto state = wait(one_.pg.inspect(two_.upstream()));
  ASSERT_TRUE(state) << state.error().text();
  EXPECT_EQ(state->system_identifier, system_identifier_);
  EXPECT_EQ(state->timeline, 2U);
  EXPECT_FALSE(state->in_recovery);
  ASSERT_EQ(state->history.size(), 1U);
  EXPECT_EQ(state->history[0].timeline, 1U);
  auto history = wait(two_.pg.read_history(2));
  ASSERT_TRUE(history) << history.error().text();
  ASSERT_EQ(history->size(), 1U);
  EXPECT_FALSE((*history)[0].time.empty());

  // Back onto the new timeline.
  facts = wait(one_.pg.probe(seconds(2)));
  EXPECT_FALSE(facts.process_alive);
  ASSERT_TRUE(facts.control);
  EXPECT_EQ(facts.control->state, "in production");
  auto recovered = wait(one_.pg.crash_recovery());
  ASSERT_TRUE(recovered) << recovered.error().text();
  EXPECT_EQ(wait(one_.pg.control_data())->state, "shut down");
  auto rewound = wait(one_.pg.rewind(two_.upstream()));
  ASSERT_TRUE(rewound) << rewound.error().text();
  auto started = wait(one_.pg.start(follow(two_), dynamic_, seconds(30)));
  ASSERT_TRUE(started) << started.error().text();
  auto back = probe_until(
      one_, [](const auto& f) { return f.replication_state == "streaming" && f.timeline == 2; });
  EXPECT_EQ(back.timeline, 2U);
  const auto end = wait(two_.pg.probe(seconds(2))).flush_lsn;
  probe_until(one_, [&](const auto& f) { return f.replayed_lsn && *f.replayed_lsn >= end; });
  EXPECT_EQ(sql(one_, "SELECT string_agg(i::text, ',' ORDER BY i) FROM t"), "1,2");
  const auto replayed = wait(one_.pg.replayed());
  ASSERT_TRUE(replayed) << replayed.error().text();
  EXPECT_EQ(replayed->timeline, 2U);
  EXPECT_GE(replayed->lsn, end);
  EXPECT_FALSE(wait(two_.pg.replayed())) << "a primary replays nothing";
  EXPECT_EQ(wait(one_.pg.crash_recovery()).error().code, Code::exists);

  // Changing the upstream is a reload.
  auto changed = wait(one_.pg.configure(model::PgTarget{}, dynamic_));
  ASSERT_TRUE(changed);
  EXPECT_TRUE(*changed);
  EXPECT_FALSE(*wait(one_.pg.configure(model::PgTarget{}, dynamic_)));
  // The receiver may end before the session that probes has reloaded.
  auto cut = probe_until(one_, [](const auto& f) {
    return f.replication_state.empty() && f.primary_conninfo_host.empty();
  });
  EXPECT_EQ(cut.replication_state, "");
  EXPECT_EQ(cut.primary_conninfo_host, "");

  for (auto* node : {&one_, &two_}) {
    EXPECT_THAT(node->log.text(), ::testing::Not(HasSubstr("secret")));
    std::ifstream file(node->launcher.log());
    std::string server_log((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    EXPECT_THAT(server_log, ::testing::Not(HasSubstr("secret")));
    EXPECT_THAT(server_log, ::testing::Not(HasSubstr("SCRAM")));
  }
}

TEST_F(PostgresSystem, the_end_of_a_crashed_servers_wal_is_found) {
  bootstrap();
  EXPECT_EQ(wait(one_.pg.wal_end({}, 1, seconds(5))).error().code, Code::exists);
  // Records that cross pages, and the end of a segment.
  sql(one_,
      "CREATE TABLE t AS SELECT i, repeat('x', 1 + i % 1900) AS text FROM generate_series(1, "
      "20000) i");
  sql(one_, "SELECT pg_logical_emit_message(true, 'test', repeat('y', 20000))");
  const auto flushed = wait(one_.pg.probe(seconds(2))).flush_lsn;
  ASSERT_GT(flushed.value, 0x2000000U);
  crash(one_);
  for (const model::Lsn known : {flushed, model::Lsn{flushed.value - 2'000'000}, model::Lsn{}}) {
    const auto end = wait(one_.pg.wal_end(known, 1, seconds(5)));
    ASSERT_TRUE(end) << end.error().text();
    EXPECT_GE(end->value, flushed.value);
    EXPECT_LT(end->value, flushed.value + 1000);  // what a server at rest wrote since
  }
  // Behind a switch of files nothing was written yet, and the next file is not there.
  ASSERT_TRUE(wait(one_.pg.start(model::PgTarget{.primary = true}, dynamic_, seconds(30))));
  sql(one_, "CHECKPOINT");
  sql(one_, "SELECT pg_switch_wal()");
  const auto switched = wait(one_.pg.probe(seconds(2))).flush_lsn;
  crash(one_);
  for (const model::Lsn known : {switched, flushed}) {
    const Instant begun = runtime::now();
    const auto end = wait(one_.pg.wal_end(known, 1, seconds(5)));
    ASSERT_TRUE(end) << end.error().text();
    EXPECT_LE(end->value, switched.value + 1000);
    EXPECT_GT(end->value, flushed.value);
    EXPECT_LT(to_ms(runtime::now() - begun), 2000) << "pg_waldump waits for a file";
  }
  EXPECT_FALSE(wait(one_.pg.wal_end(flushed, 7, seconds(5)))) << "no such timeline";
}

TEST_F(PostgresSystem, a_frozen_server_is_seen_at_the_deadline_and_costs_one_connection) {
  bootstrap();
  ASSERT_TRUE(wait(one_.pg.probe(seconds(2))).accepting);
  const auto pids = processes_in(one_.config.pg.data_dir);
  for (int pid : pids) ::kill(pid, SIGSTOP);
  for (int i = 0; i < 3; ++i) {
    const Instant begin = runtime::now();
    auto facts = wait(one_.pg.probe(milliseconds(200)));
    EXPECT_LT(to_ms(runtime::now() - begin), 1500) << "a frozen server answers never";
    EXPECT_TRUE(facts.process_alive);
    EXPECT_FALSE(facts.accepting);
    EXPECT_TRUE(facts.probe_timed_out);
    EXPECT_FALSE(facts.probe_error.empty());
  }
  for (int pid : pids) ::kill(pid, SIGCONT);
  auto thawed = probe_until(one_, [](const auto& f) { return f.accepting; });
  EXPECT_TRUE(thawed.accepting) << thawed.probe_error;
  EXPECT_EQ(
      sql(one_,
          "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'Patroni heartbeat'"),
      "1");

  // The postmaster alone: its backends still answer, but nobody new gets in.
  const int postmaster = find_postmaster(one_.config.pg.data_dir)->file.pid;
  ::kill(postmaster, SIGSTOP);
  auto half = probe_until(one_, [](const auto& f) { return f.probe_timed_out; });
  EXPECT_FALSE(half.accepting);
  // Stopping it goes all the way.
  auto stopped = wait(one_.pg.stop(model::StopMode::fast, milliseconds(300), false));
  EXPECT_TRUE(stopped) << stopped.error().text();
  EXPECT_EQ(one_.launcher.kills(), 1);
  EXPECT_FALSE(wait(one_.pg.probe(seconds(2))).process_alive);
  // And it starts again after that.
  auto started = wait(one_.pg.start(model::PgTarget{.primary = true}, dynamic_, seconds(30)));
  EXPECT_TRUE(started) << started.error().text();
}

// It answers, and commits.
TEST_F(PostgresSystem, a_primary_whose_checkpointer_is_stopped_proves_nothing) {
  bootstrap();
  const auto checkpointer = [this] {
    return std::stoi(
        sql(one_, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"));
  };
  const auto probe_until_it = [this](bool accepts) {
    const Instant until = runtime::now() + seconds(20);
    auto facts = wait(one_.pg.probe(seconds(2), milliseconds(300)));
    while (facts.accepting != accepts && runtime::now() < until)
      facts = wait(one_.pg.probe(seconds(2), milliseconds(300)));
    return facts;
  };
  const int first = checkpointer();
  ::kill(first, SIGSTOP);
  EXPECT_EQ(sql(one_, "CREATE TABLE t(i int); INSERT INTO t VALUES (1) RETURNING i"), "1");
  const auto stuck = probe_until_it(false);
  EXPECT_FALSE(stuck.accepting);
  EXPECT_TRUE(stuck.probe_timed_out) << "a hang, as any other";
  EXPECT_THAT(stuck.probe_error, HasSubstr("process " + std::to_string(first) + ", is stopped"));
  ::kill(first, SIGCONT);
  EXPECT_TRUE(probe_until_it(true).accepting);
  // The crash of a backend gives the server another one.
  ::kill(std::stoi(sql(one_,
                       "SELECT pid FROM pg_stat_activity WHERE application_name = "
                       "'Patroni heartbeat'")),
         SIGKILL);
  ASSERT_TRUE(probe_until(one_, [&](const auto& f) {
                return f.accepting && !read_process(first);
              }).accepting);
  const int second = checkpointer();
  EXPECT_NE(second, first);
  ::kill(second, SIGSTOP);
  EXPECT_THAT(probe_until_it(false).probe_error, HasSubstr(std::to_string(second)));
  ::kill(second, SIGCONT);
}

TEST_F(PostgresSystem, a_missing_commit_fence_is_told_once_and_again_for_another_reason) {
  const auto told = [this](const std::string& text) {
    std::size_t count = 0;
    for (auto at = one_.log.text().find(text); at != std::string::npos;
         at = one_.log.text().find(text, at + 1))
      ++count;
    return count;
  };
  const std::string what = "PostgreSQL is started without the commit fence";
  one_.config.aurum.fence.library = root_ / "none.so";
  one_.pg.use_lease_page(root_ / "lease");
  bootstrap();
  const auto restart = [this] {
    auto done = wait(one_.pg.restart(model::PgTarget{.primary = true}, dynamic_, seconds(30)));
    ASSERT_TRUE(done) << done.error().text();
  };
  restart();
  ASSERT_TRUE(wait(one_.pg.configure(model::PgTarget{.primary = true}, dynamic_, true)));
  EXPECT_EQ(told(what), 1U) << one_.log.text();
  EXPECT_EQ(told("there is no file " + (root_ / "none.so").string()), 1U);
  EXPECT_EQ(told("may acknowledge a few commits when it thaws"), 1U) << "what is not protected";
  one_.config.aurum.fence.commit = false;
  restart();
  restart();
  EXPECT_EQ(told(what), 2U);
  EXPECT_EQ(told("aurum.fence.commit is off"), 1U);
}

TEST_F(PostgresSystem, an_idle_server_writes_no_wal_and_the_disk_probe_writes) {
  bootstrap();
  ASSERT_TRUE(wait(one_.pg.checkpoint()));
  wait(one_.pg.probe(seconds(2)));
  const auto before = sql(one_, "SELECT pg_current_wal_insert_lsn()");
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(wait(one_.pg.probe(seconds(2))).accepting);
  EXPECT_EQ(wait(one_.pg.disk_probe(seconds(2))).value_or(Room::none), Room::enough);
  EXPECT_EQ(sql(one_, "SELECT pg_current_wal_insert_lsn()"), before);
  EXPECT_TRUE(fs::exists(one_.config.pg.data_dir / kProbeFile));
}

TEST_F(PostgresSystem, pending_restart_and_reload) {
  bootstrap();
  dynamic_.postgresql =
      *model::parse_yaml("parameters: {max_connections: 150, work_mem: 5MB, shared_buffers: 64MB}");
  auto changed = wait(one_.pg.configure(model::PgTarget{.primary = true}, dynamic_));
  ASSERT_TRUE(changed) << changed.error().text();
  EXPECT_TRUE(*changed);
  auto facts = probe_until(one_, [](const auto& f) { return !f.pending_restart_reason.is_null(); });
  const auto* reason = facts.pending_restart_reason.find("max_connections");
  ASSERT_NE(reason, nullptr);
  EXPECT_EQ(model::to_json(*reason), R"({"old_value":"100","new_value":"150"})");
  EXPECT_NE(facts.pending_restart_reason.find("shared_buffers"), nullptr);
  EXPECT_EQ(facts.pending_restart_reason.size(), 2U);
  EXPECT_EQ(sql(one_, "SHOW work_mem"), "5MB");
  auto restarted = wait(one_.pg.restart(model::PgTarget{.primary = true}, dynamic_, seconds(30)));
  ASSERT_TRUE(restarted) << restarted.error().text();
  EXPECT_EQ(sql(one_, "SHOW max_connections"), "150");
  EXPECT_TRUE(wait(one_.pg.probe(seconds(2))).pending_restart_reason.is_null());
  ASSERT_TRUE(wait(one_.pg.save_dynamic_config(*model::parse_yaml("{ttl: 30}"))));
  EXPECT_EQ(*read_file(one_.config.pg.data_dir / "patroni.dynamic.json"), "{\"ttl\": 30}");

  // A value the server does not take is left out, with a warning: it must not keep the server down.
  dynamic_.postgresql = *model::parse_yaml("parameters: {work_mem: lots, max_connections: 120}");
  auto again = wait(one_.pg.restart(model::PgTarget{.primary = true}, dynamic_, seconds(30)));
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(sql(one_, "SHOW work_mem"), "4MB");
  EXPECT_EQ(sql(one_, "SHOW max_connections"), "120");
}

TEST_F(PostgresSystem, wrong_passwords_busy_ports_and_foreign_directories_are_one_line) {
  bootstrap();
  two_.config.pg.replication.password = "wrong";
  auto inspected = wait(two_.pg.inspect(one_.upstream()));
  ASSERT_FALSE(inspected);
  EXPECT_EQ(inspected.error().code, Code::permission);
  EXPECT_THAT(inspected.error().text(),
              HasSubstr("password authentication failed for user \"replicator\""));
  EXPECT_EQ(inspected.error().text().find('\n'), std::string::npos);
  two_.config.pg.create_replica_methods = {"basebackup"};
  auto cloned = wait(two_.pg.clone({one_.upstream()}, true, {}));
  ASSERT_FALSE(cloned);
  EXPECT_THAT(cloned.error().text(), HasSubstr("password authentication failed"));
  EXPECT_EQ(wait(two_.pg.data_dir()), DataDir::empty);  // nothing half-way is left

  auto nobody = wait(two_.pg.inspect({"gone", "127.0.0.1", free_port()}));
  EXPECT_EQ(nobody.error().code, Code::unavailable);
  auto nowhere = wait(two_.pg.inspect({"gone", "no-such-host.invalid", 5432}, seconds(2)));
  EXPECT_FALSE(nowhere);

  fs::create_directories(two_.config.pg.data_dir);
  std::ofstream(two_.config.pg.data_dir / "holiday.jpg") << "x";
  EXPECT_EQ(wait(two_.pg.initdb(dynamic_)).error().code, Code::exists);
  EXPECT_EQ(wait(two_.pg.clone({one_.upstream()}, true, {})).error().code, Code::exists);
  EXPECT_FALSE(wait(two_.pg.clear_data("test")));
  EXPECT_TRUE(fs::exists(two_.config.pg.data_dir / "holiday.jpg"));
  EXPECT_FALSE(wait(one_.pg.clear_data("test")));  // it runs

  // A clone that was cut off is known as such, and a bootstrap begins anew.
  fs::remove(two_.config.pg.data_dir / "holiday.jpg");
  ASSERT_TRUE(mark_incomplete(two_.config.pg.data_dir, "clone"));
  fs::create_directories(two_.config.pg.data_dir / kStaging / "base");
  EXPECT_EQ(wait(two_.pg.probe(seconds(2))).data_dir, DataDir::incomplete);
  EXPECT_EQ(wait(two_.pg.start(follow(one_), dynamic_, seconds(5))).error().code, Code::not_found);
  two_.config.bootstrap.initdb = *model::parse_yaml("[{encoding: nonsense}]");
  auto failed = wait(two_.pg.initdb(dynamic_));
  ASSERT_FALSE(failed);
  EXPECT_EQ(wait(two_.pg.data_dir()), DataDir::empty);

  // The port of node-1 is taken.
  two_.config.pg.replication.password = one_.config.pg.replication.password;
  two_.config.pg.listen = one_.config.pg.listen;
  auto again = wait(two_.pg.clone({one_.upstream()}, true, {}));
  ASSERT_TRUE(again) << again.error().text();
  auto busy = wait(two_.pg.start(follow(one_), dynamic_, seconds(5)));
  EXPECT_THAT(busy.error().text(), AllOf(HasSubstr("postgresql.listen: port "),
                                         HasSubstr(" is in use by postgres (pid ")));
  std::ofstream(two_.config.pg.data_dir / "PG_VERSION") << "12\n";
  EXPECT_THAT(wait(two_.pg.start(follow(one_), dynamic_, seconds(5))).error().text(),
              HasSubstr("was made by PostgreSQL 12"));
}

TEST_F(PostgresSystem, slots_and_logical_slots) {
  dynamic_.postgresql = *model::parse_yaml("parameters: {wal_level: logical}");
  bootstrap();
  Postgres::SlotChanges changes{.create = {"a", "b"}};
  changes.create_logical = {
      {.name = "l", .logical = true, .database = "postgres", .plugin = "pgoutput"}};
  auto made = wait(one_.pg.change_slots(changes));
  ASSERT_TRUE(made) << made.error().text();
  auto facts = wait(one_.pg.probe(seconds(2)));
  ASSERT_EQ(facts.slots.size(), 3U);
  EXPECT_TRUE(facts.slots[2].logical);
  EXPECT_EQ(facts.slots[2].plugin, "pgoutput");
  EXPECT_TRUE(facts.slots[0].restart_lsn);  // reserved at once
  ASSERT_EQ(sql(one_, "CREATE TABLE t(i int); SELECT 1"), "1");
  facts = wait(one_.pg.probe(seconds(2)));
  auto advanced =
      wait(one_.pg.change_slots({.drop = {"b", "gone"}, .advance = {{"a", facts.flush_lsn}}}));
  ASSERT_TRUE(advanced) << advanced.error().text();
  facts = wait(one_.pg.probe(seconds(2)));
  ASSERT_EQ(facts.slots.size(), 2U);
  EXPECT_EQ(facts.slots[0].name, "a");
  EXPECT_GT(facts.slots[0].restart_lsn->value, 0U);
  EXPECT_FALSE(wait(one_.pg.change_slots({.create = {"Not a name"}})));
}

TEST_F(PostgresSystem, a_callback_is_killed_by_the_next_one) {
  const auto out = root_ / "callbacks";
  std::ofstream(root_ / "cb.sh") << "echo \"$1 $2 $3\" >> " << out.string()
                                 << "\n[ \"$1\" = on_start ] && sleep 600\nexit 0\n";
  one_.config.pg.callbacks =
      *model::parse_yaml("{on_start: 'sh " + (root_ / "cb.sh").string() +
                         "', on_role_change: 'sh " + (root_ / "cb.sh").string() + "'}");
  Callbacks callbacks(io_.get_executor(), one_.config, one_.log);
  callbacks.fire("on_stop", "primary");
  EXPECT_FALSE(callbacks.running());
  callbacks.fire("on_start", "replica");
  auto run_until = [&](const std::function<bool()>& done) {
    const Instant until = runtime::now() + seconds(10);
    io_.restart();
    while (!done() && runtime::now() < until) io_.run_one_for(std::chrono::milliseconds(20));
  };
  run_until([&] { return fs::exists(out) && fs::file_size(out) > 0; });
  callbacks.fire("on_role_change", "primary");
  run_until([&] { return !callbacks.running(); });
  EXPECT_FALSE(callbacks.running());
  EXPECT_EQ(*read_file(out), "on_start replica demo\non_role_change primary demo\n");
}

}  // namespace
}  // namespace aurum::pg

/// PostgreSQL refuses to run as root: everything happens as user postgres then.
int main(int argc, char** argv) {
  if (::geteuid() == 0) {
    const passwd* user = ::getpwnam("postgres");
    if (!user) {
      std::cerr << "there is no user postgres to run PostgreSQL as\n";
      return 1;
    }
    if (::initgroups("postgres", user->pw_gid) != 0 ||
        ::setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        ::setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) {
      std::cerr << "cannot become user postgres\n";
      return 1;
    }
    ::setenv("HOME", "/tmp", 1);
    if (::chdir("/tmp") != 0) return 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
